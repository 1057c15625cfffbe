package ui

import (
	"strings"

	"sallyport.dev/sallyport/firewall"
)

const (
	textAnyProgram         = "Any program"
	textAnyProgramDetail   = "Every program, also those that cannot be identified"
	textKernel             = "Kernel"
	textKernelDetail       = "Traffic that no program sent"
	textUnidentified       = "Unidentified program"
	textUnidentifiedDetail = "Nobody can say which program this was"
	textForeignDetail      = "Not the file that this computer has at this path"
	textPackageDetail      = "Every program of the package"
	textSignerDetail       = "Every program of this name that is signed by"
)

// Beginnings of identities that are no paths.
const (
	foreignKind = "foreign:" // FILE:PATH
	serviceKind = "service:" // NAME:PATH
	packageKind = "package:" // FAMILY
	signerKind  = "signer:"  // NAME/product:NAME
)

// programName is what a program is called: the end of its path.
func programName(program, name string) string {
	switch {
	case program == "":
		return textUnidentified
	case name != "":
		return shown(name)
	case program == firewall.AnyProgram:
		return textAnyProgram
	case program == firewall.KernelProgram:
		return textKernel
	}
	file := lastPart(programFile(program))
	switch rest := afterKind(program); {
	case strings.HasPrefix(program, serviceKind):
		service, _, _ := strings.Cut(rest, ":")
		return shown(service + " (" + file + ")")
	case strings.HasPrefix(program, packageKind):
		family, _, _ := strings.Cut(rest, "_") // from there on it is the publisher's hash
		return shown(family)
	case strings.HasPrefix(program, signerKind):
		_, product, _ := strings.Cut(rest, "/product:")
		return shown(product)
	}
	return shown(file)
}

// programDetail is the line below a program's name.
func programDetail(program string) string {
	switch {
	case program == firewall.AnyProgram:
		return textAnyProgramDetail
	case program == firewall.KernelProgram:
		return textKernelDetail
	case program == "":
		return textUnidentifiedDetail
	case strings.HasPrefix(program, foreignKind):
		return textForeignDetail + " · " + shown(programFile(program))
	case strings.HasPrefix(program, packageKind):
		return textPackageDetail + " " + shown(afterKind(program))
	case strings.HasPrefix(program, signerKind):
		signer, _, _ := strings.Cut(afterKind(program), "/product:")
		return textSignerDetail + " " + shown(signer)
	}
	return shown(programFile(program))
}

func afterKind(program string) string { return program[strings.IndexByte(program, ':')+1:] }

// programFile is the path in a program's identity, which ends with it.
func programFile(program string) string {
	if !strings.HasPrefix(program, foreignKind) && !strings.HasPrefix(program, serviceKind) {
		return program
	}
	rest := afterKind(program)
	if i := strings.Index(rest, ":/"); i >= 0 {
		return rest[i+1:]
	}
	if i := strings.Index(rest, `:\`); i > 0 { // a drive's letter stands before
		return rest[i-1:]
	}
	return rest[strings.LastIndexByte(rest, ':')+1:]
}

// lastPart is what follows the last separator of a path, of Unix or of Windows.
func lastPart(path string) string {
	separator := byte('/')
	if isWindowsPath(path) {
		separator = '\\'
	}
	return path[strings.LastIndexByte(path, separator)+1:]
}

// isWindowsPath tells whether a path begins with a drive or a server.
func isWindowsPath(s string) bool {
	return len(s) > 2 && s[1:3] == `:\` || strings.HasPrefix(s, `\\`)
}
