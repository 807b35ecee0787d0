; A program of one file, with the uninstall key that Windows expects.
Unicode true
Name "Example Editor"
OutFile "example-editor.exe"
RequestExecutionLevel admin
InstallDir "$PROGRAMFILES64\Example Editor"
VIProductVersion "2.0.0.0"
VIAddVersionKey "ProductName" "Example Editor"
VIAddVersionKey "ProductVersion" "2.0"
VIAddVersionKey "FileVersion" "2.0"
VIAddVersionKey "CompanyName" "Example"
VIAddVersionKey "FileDescription" "Example Editor installer"
VIAddVersionKey "LegalCopyright" "Example"

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Example Editor"

Section
  SetRegView 64
  SetOutPath "$INSTDIR"
  File "editor.txt"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEY}" "DisplayName" "Example Editor"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "2.0"
  WriteRegStr HKLM "${KEY}" "Publisher" "Example"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
SectionEnd

Section "Uninstall"
  SetRegView 64
  DeleteRegKey HKLM "${KEY}"
  Delete "$INSTDIR\editor.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
SectionEnd
