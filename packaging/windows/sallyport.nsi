; The installer. scripts/dist-windows defines:
;   VERSION   as 1.2.3          STAGE   the folder with the program's files and icon
;   NAME      shown to people   OUT     the file to write
; Silent: /S, and at removal /PURGE to remove rules and log too. Exit status: 2 refused, 3 the service was not installed.
Target amd64-unicode
Unicode true
!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "LogicLib.nsh"
!include "WinVer.nsh"
!include "x64.nsh"

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Sallyport"

Name "${NAME}"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\Sallyport"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
ManifestDPIAware true
VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${NAME} ${VERSION} setup"
VIAddVersionKey "LegalCopyright" "GPL-3.0-or-later"

!define MUI_ICON "${STAGE}/sallyport.ico"
!define MUI_UNICON "${STAGE}/sallyport.ico"
!define MUI_FINISHPAGE_TEXT "The firewall runs. At first it only collects; it asks once you choose so in Sallyport's window, which you find in the Start menu."
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; Say WHAT: to the person, or at a silent run to nobody; the exit status tells too.
!macro Refuse WHAT
  MessageBox MB_OK|MB_ICONSTOP "${WHAT}" /SD IDOK
  SetErrorLevel 2
  Quit
!macroend

Function .onInit
  SetRegView 64
  ${IfNot} ${IsNativeAMD64}
    !insertmacro Refuse "Sallyport cannot filter on this computer: WinDivert has a driver for 64-bit Intel and AMD processors only, none for ARM64. Nothing was installed."
  ${EndIf}
  ${IfNot} ${AtLeastWin10}
    !insertmacro Refuse "Sallyport needs Windows 10 or newer. Nothing was installed."
  ${EndIf}
  SetShellVarContext all
FunctionEnd

Function un.onInit
  SetRegView 64
  SetShellVarContext all
FunctionEnd

Section
  ; A running version would hold its files. Its rules of the filtering platform stay for the next engine.
  ${If} ${FileExists} "$INSTDIR\sallyport.exe"
    nsExec::ExecToLog '"$INSTDIR\sallyport.exe" uninstall --for-upgrade'
    Pop $0
  ${EndIf}

  SetOutPath "$INSTDIR"
  File "${STAGE}/sallyport.exe"
  File "${STAGE}/sallyportw.exe"
  File "${STAGE}/WinDivert.dll"
  File "${STAGE}/WinDivert64.sys"
  File "${STAGE}/LICENSE.txt"
  File "${STAGE}/WinDivert-LICENSE.txt"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\Sallyport.lnk" "$INSTDIR\sallyportw.exe"

  WriteRegStr HKLM "${KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${KEY}" "Publisher" "Sallyport"
  WriteRegStr HKLM "${KEY}" "DisplayIcon" "$INSTDIR\sallyportw.exe"
  WriteRegStr HKLM "${KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKLM "${KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKLM "${KEY}" "EstimatedSize" $0

  nsExec::ExecToLog '"$INSTDIR\sallyport.exe" service install'
  Pop $0
  ${If} $0 == 0
    nsExec::ExecToLog '"$INSTDIR\sallyport.exe" service start'
    Pop $0
  ${EndIf}
  ${If} $0 != 0
    MessageBox MB_OK|MB_ICONEXCLAMATION "Sallyport is installed, but its service does not run yet. As administrator, type: sallyport service install, then: sallyport service start; both say what is missing." /SD IDOK
    SetErrorLevel 3
  ${EndIf}
SectionEnd

Section "Uninstall"
  StrCpy $1 ""
  ${If} ${Silent}
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/PURGE" $2
    ${IfNot} ${Errors}
      StrCpy $1 "--purge"
    ${EndIf}
  ${Else}
    MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON1 "Keep your rules and the activity log, for a later installation?" IDYES +2
    StrCpy $1 "--purge"
  ${EndIf}
  nsExec::ExecToLog '"$INSTDIR\sallyport.exe" uninstall $1'
  Pop $0

  ; Another program may still use the driver: Windows then removes the file when it starts again.
  Delete "$INSTDIR\sallyport.exe"
  Delete "$INSTDIR\sallyportw.exe"
  Delete /REBOOTOK "$INSTDIR\WinDivert.dll"
  Delete /REBOOTOK "$INSTDIR\WinDivert64.sys"
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\WinDivert-LICENSE.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Sallyport.lnk"
  DeleteRegKey HKLM "${KEY}"
SectionEnd
