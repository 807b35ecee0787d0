@echo off
echo Example Portable
