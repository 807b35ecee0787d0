@echo off
rem Removes files of more than 30 days from the temporary folder.
forfiles /p "%SystemRoot%\Temp" /s /d -30 /c "cmd /c del /q @path" 2>nul
exit /b 0
