#!/bin/sh
# Removes files of more than 30 days from the temporary folder.
find /var/tmp -xdev -type f -mtime +30 -delete
