#!/bin/sh
echo "Example Portable"
