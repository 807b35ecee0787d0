; The Windows installer of the agent: the program, a CPython of its own for package scripts, the service.
;
; Built by build.sh, which defines VERSION, AGENT (the program), PYTHON (the unpacked embeddable CPython), SIZE_KB,
; OUT, and TEST for builds that must not be given to anybody. What it takes at installation is in
; docs/installing-agents.md. Exit codes: 0 done, 1 cancelled, 2 not possible, 3 installed but not registered.

Unicode true
SetCompressor ${COMPRESSOR}
!include LogicLib.nsh
!include FileFunc.nsh
!include WinVer.nsh
!include x64.nsh
!insertmacro GetParameters
!insertmacro GetOptions

!define NAME "Muster agent"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Muster agent"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"

Name "${NAME} ${VERSION}${TEST}"
OutFile "${OUT}"
RequestExecutionLevel admin
InstallDir "$PROGRAMFILES64\Muster"
ShowInstDetails nevershow
ShowUninstDetails nevershow
BrandingText " "
VIProductVersion "${FILE_VERSION}"
VIAddVersionKey ProductName "${NAME}"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey FileDescription "${NAME} installer${TEST}"
VIAddVersionKey CompanyName "Muster"
VIAddVersionKey LegalCopyright "MIT or Apache-2.0"

Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

Var Parameters
Var Unpack
Var Server
Var Token
Var Trust
Var Repository
Var Config
Var Migrate
Var DisableWapt
Var NoService
Var Answer
Var Code

; The value of /NAME= on the command line: up to the next blank, or what stands in quotes, be they around the value or
; around the whole option. GetOptions of FileFunc ends values at a slash, and addresses have some.
Function ValueOf
  Exch $0 ; /NAME=
  Push $1
  Push $2
  Push $3
  Push $4
  Push $5
  StrLen $1 $0
  StrCpy $2 0
  StrCpy $5 ""
  search:
    StrCpy $3 $Parameters $1 $2
    StrCmp $3 "" found
    ${If} $3 == $0
      StrCpy $4 " "
      ${If} $2 > 0
        IntOp $4 $2 - 1
        StrCpy $4 $Parameters 1 $4
      ${EndIf}
      ${If} $4 == " "
      ${OrIf} $4 == '"'
        Goto read
      ${EndIf}
    ${EndIf}
    IntOp $2 $2 + 1
    Goto search
  read:
    IntOp $2 $2 + $1
    StrCpy $3 $Parameters 1 $2
    ${If} $3 == '"'
      StrCpy $4 '"'
      IntOp $2 $2 + 1
    ${EndIf}
  next:
    StrCpy $3 $Parameters 1 $2
    ${If} $3 != ""
    ${AndIf} $3 != $4
      StrCpy $5 "$5$3"
      IntOp $2 $2 + 1
      Goto next
    ${EndIf}
  found:
  StrCpy $0 $5
  Pop $5
  Pop $4
  Pop $3
  Pop $2
  Pop $1
  Exch $0
FunctionEnd

!macro Option NAME VARIABLE
  Push "/${NAME}="
  Call ValueOf
  Pop ${VARIABLE}
!macroend

Function .onInit
  ${GetParameters} $Parameters
  !insertmacro Option UNPACK $Unpack
  !insertmacro Option SERVER $Server
  !insertmacro Option TOKEN $Token
  !insertmacro Option TRUST $Trust
  !insertmacro Option REPO $Repository
  !insertmacro Option CONFIG $Config
  !insertmacro Option MIGRATE $Migrate
  !insertmacro Option DISABLE_WAPT $DisableWapt
  !insertmacro Option NOSERVICE $NoService
  ${Unless} ${RunningX64}
  ${OrUnless} ${AtLeastBuild} 17763
    MessageBox MB_ICONSTOP|MB_OK "The Muster agent needs a 64-bit Windows 10 1809, Windows Server 2019 or later." /SD IDOK
    SetErrorLevel 2
    Quit
  ${EndUnless}
  SetShellVarContext all
  SetRegView 64
FunctionEnd

; Puts the program in place of one that may run: that one cannot be overwritten, but renamed.
!macro Program FOLDER
  Delete "${FOLDER}\muster-agent.exe.old"
  ${If} ${FileExists} "${FOLDER}\muster-agent.exe"
    Rename "${FOLDER}\muster-agent.exe" "${FOLDER}\muster-agent.exe.old"
  ${EndIf}
  SetOutPath "${FOLDER}"
  File "/oname=muster-agent.exe" "${AGENT}"
  Delete /REBOOTOK "${FOLDER}\muster-agent.exe.old"
!macroend

; Runs the agent without a window; its exit code is in $Answer.
!macro Agent ARGUMENTS
  nsExec::ExecToLog '"$INSTDIR\muster-agent.exe" ${ARGUMENTS}'
  Pop $Answer
!macroend

Section
  StrCpy $Code 0
  ; For who wants to look at the program before it is installed.
  ${If} $Unpack != ""
    CreateDirectory "$Unpack"
    !insertmacro Program "$Unpack"
    Goto done
  ${EndIf}

  ; An older version ends its work in order.
  ${If} ${FileExists} "$INSTDIR\muster-agent.exe"
    nsExec::ExecToLog 'net.exe stop muster-agent'
    Pop $Answer
  ${EndIf}
  !insertmacro Program "$INSTDIR"
  RMDir /r "$INSTDIR\python"
  SetOutPath "$INSTDIR\python"
  File /r "${PYTHON}\*.*"
  SetOutPath "$INSTDIR"
  WriteUninstaller "$INSTDIR\uninstall.exe"

  CreateDirectory "$INSTDIR\trust"
  ${If} $Trust != ""
    ${If} ${FileExists} "$Trust\*.*"
      CopyFiles /SILENT "$Trust\*.crt" "$INSTDIR\trust"
      CopyFiles /SILENT "$Trust\*.pem" "$INSTDIR\trust"
    ${Else}
      CopyFiles /SILENT "$Trust" "$INSTDIR\trust"
    ${EndIf}
  ${EndIf}
  ${Unless} ${FileExists} "$INSTDIR\agent.toml"
    ${If} $Config != ""
      CopyFiles /SILENT "$Config" "$INSTDIR\agent.toml"
    ${Else}
      FileOpen $0 "$INSTDIR\agent.toml" w
      FileWrite $0 "# Configuration of the Muster agent: `muster-agent config show` prints every key.$\n"
      ${If} $Repository != ""
        FileWrite $0 'repo_url = "$Repository"$\n'
      ${EndIf}
      FileClose $0
    ${EndIf}
  ${EndUnless}

  ; A machine that WAPT managed keeps its identity and packages.
  ${If} $DisableWapt == 1
    !insertmacro Agent "migrate --disable-wapt"
  ${ElseIf} $Migrate == 1
    !insertmacro Agent "migrate"
  ${EndIf}

  ${If} $Server != ""
    ; In the environment, where no list of processes shows it.
    System::Call 'kernel32::SetEnvironmentVariable(t "MUSTER_ENROL_TOKEN", t "$Token")'
    !insertmacro Agent 'register --server "$Server"'
    System::Call 'kernel32::SetEnvironmentVariable(t "MUSTER_ENROL_TOKEN", t n)'
    ${If} $Answer != 0
      StrCpy $Code 3
    ${EndIf}
  ${EndIf}

  ; Shells find the program; sessions are prepared at logon.
  !insertmacro Agent "search-path --add"
  SendMessage 0xFFFF 0x001A 0 "STR:Environment" /TIMEOUT=2000
  WriteRegStr HKLM "${RUN}" "Muster session" '"$INSTDIR\muster-agent.exe" session-setup ALL --logon'

  WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "${NAME}"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL}" "Publisher" "Muster"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayIcon" "$INSTDIR\muster-agent.exe"
  WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKLM "${UNINSTALL}" "EstimatedSize" ${SIZE_KB}
  WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1

  ${If} $NoService != 1
    !insertmacro Agent "service install"
    ${If} $Answer != 0
      StrCpy $Code 2
    ${EndIf}
  ${EndIf}
done:
  SetErrorLevel $Code
SectionEnd

Section Uninstall
  SetShellVarContext all
  SetRegView 64
  ${GetParameters} $Parameters
  !insertmacro Agent "service uninstall"
  !insertmacro Agent "search-path --remove"
  DeleteRegValue HKLM "${RUN}" "Muster session"
  DeleteRegKey HKLM "${UNINSTALL}"
  ; The service may take a moment to let go of its program.
  ${For} $0 1 40
    Delete "$INSTDIR\muster-agent.exe"
    ${Unless} ${FileExists} "$INSTDIR\muster-agent.exe"
      ${ExitFor}
    ${EndUnless}
    Sleep 500
  ${Next}
  Delete /REBOOTOK "$INSTDIR\muster-agent.exe"
  Delete "$INSTDIR\muster-agent.exe.*"
  RMDir /r "$INSTDIR\python"
  Delete "$INSTDIR\uninstall.exe"
  ; Configuration, certificates, keys and the database stay for a later installation, unless all is to go.
  ClearErrors
  ${GetOptions} $Parameters "/PURGE=1" $0
  ${Unless} ${Errors}
    Delete "$INSTDIR\agent.toml"
    Delete "$INSTDIR\server-ca.pem"
    RMDir /r "$INSTDIR\trust"
    RMDir /r "$APPDATA\Muster"
  ${EndUnless}
  RMDir "$INSTDIR"
SectionEnd
