package process

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	wintrust             = windows.NewLazySystemDLL("wintrust.dll")
	provDataFromState    = wintrust.NewProc("WTHelperProvDataFromStateData")
	provSignerFromChain  = wintrust.NewProc("WTHelperGetProvSignerFromChain")
	provCertFromChain    = wintrust.NewProc("WTHelperGetProvCertFromChain")
	errNoSigner          = errors.New("the signature has no signer")
	errNotTrusted        = errors.New("the signer's certificate comes from nobody whom this computer trusts")
	actionGenericVerify2 = windows.WINTRUST_ACTION_GENERIC_VERIFY_V2
)

// signer verifies the signature in the file, or the one for it in a catalogue
// of the system, and returns by whom it is. It asks nobody on the network: that
// would wait for the firewall, which may wait for it.
func (f file) signer() (string, error) {
	name, err := f.embedded()
	if errors.Is(err, windows.Errno(windows.TRUST_E_NOSIGNATURE)) || errors.Is(err, windows.Errno(windows.TRUST_E_SUBJECT_FORM_UNKNOWN)) {
		return f.catalogued()
	}
	return name, err
}

func (f file) embedded() (string, error) {
	path, err := windows.UTF16PtrFromString(longPath(f.path))
	if err != nil {
		return "", err
	}
	info := &windows.WinTrustFileInfo{FilePath: path, File: f.Handle}
	info.Size = uint32(unsafe.Sizeof(*info))
	return verify(windows.WTD_CHOICE_FILE, unsafe.Pointer(info))
}

// verify has the system verify what choice and subject say, and names the
// signer only if it trusts the signature.
func verify(choice uint32, subject unsafe.Pointer) (string, error) {
	data := &windows.WinTrustData{
		UIChoice: windows.WTD_UI_NONE, RevocationChecks: windows.WTD_REVOKE_NONE,
		UnionChoice: choice, FileOrCatalogOrBlobOrSgnrOrCert: subject, StateAction: windows.WTD_STATEACTION_VERIFY,
		ProvFlags: windows.WTD_CACHE_ONLY_URL_RETRIEVAL | windows.WTD_REVOCATION_CHECK_NONE | windows.WTD_DISABLE_MD2_MD4,
	}
	data.Size = uint32(unsafe.Sizeof(*data))
	err := windows.WinVerifyTrustEx(windows.InvalidHWND, &actionGenericVerify2, data)
	name := ""
	if err == nil {
		name, err = signerOf(data.StateData)
	}
	data.StateAction = windows.WTD_STATEACTION_CLOSE
	windows.WinVerifyTrustEx(windows.InvalidHWND, &actionGenericVerify2, data)
	if err != nil {
		return "", fmt.Errorf("verify the signature: %w", err)
	}
	return name, nil
}

// providerSigner is the beginning of CRYPT_PROVIDER_SGNR.
type providerSigner struct {
	_     [56]byte // sizes, certificates, the message's signer, counter-signers
	chain *windows.CertChainContext
}

// untrusted are the faults of a chain that no policy may forgive: Wine's
// forgives an unknown root.
const untrusted = windows.CERT_TRUST_IS_UNTRUSTED_ROOT | windows.CERT_TRUST_IS_PARTIAL_CHAIN | windows.CERT_TRUST_IS_REVOKED |
	windows.CERT_TRUST_IS_NOT_SIGNATURE_VALID | windows.CERT_TRUST_IS_NOT_VALID_FOR_USAGE | windows.CERT_TRUST_IS_EXPLICIT_DISTRUST

// providerCert is the beginning of CRYPT_PROVIDER_CERT.
type providerCert struct {
	_    uint32 // size
	cert *windows.CertContext
}

// signerOf reads the signer's name from what was verified, not from the file,
// which may have several signatures.
func signerOf(state windows.Handle) (string, error) {
	provider, _, _ := provDataFromState.Call(uintptr(state))
	if provider == 0 {
		return "", errNoSigner
	}
	signer, _, _ := provSignerFromChain.Call(provider, 0, 0, 0)
	if signer == 0 {
		return "", errNoSigner
	}
	// Both are the system's memory, which Go's collector does not move or free.
	if chain := (*(**providerSigner)(unsafe.Pointer(&signer))).chain; chain == nil || chain.TrustStatus.ErrorStatus&untrusted != 0 {
		return "", errNotTrusted
	}
	leaf, _, _ := provCertFromChain.Call(signer, 0)
	if leaf == 0 {
		return "", errNoSigner
	}
	cert := (*(**providerCert)(unsafe.Pointer(&leaf))).cert
	commonName := []byte("2.5.4.3\x00") // szOID_COMMON_NAME
	buffer := make([]uint16, 512)
	n := windows.CertGetNameString(cert, windows.CERT_NAME_ATTR_TYPE, 0, unsafe.Pointer(&commonName[0]), &buffer[0], uint32(len(buffer)))
	if n <= 1 || int(n) >= len(buffer) {
		return "", errNoSigner
	}
	return windows.UTF16ToString(buffer[:n]), nil
}
