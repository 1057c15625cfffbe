package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"sallyport.dev/sallyport/firewall/wfp"
)

const (
	driverService = "WinDivert"
	driverFile    = "WinDivert64.sys"
)

// recoverBackend removes what an engine left: rules of the filtering platform
// and the driver's service.
func recoverBackend(bool) ([]string, error) {
	removed, err := new(wfp.Guard).Remove()
	self, failed := os.Executable()
	if failed != nil {
		return removed, errors.Join(err, fmt.Errorf("find the program: %w", failed))
	}
	gone, failed := removeDriver(filepath.Join(filepath.Dir(self), driverFile))
	if gone {
		removed = append(removed, "the driver's service "+driverService)
	}
	return removed, errors.Join(err, failed)
}

// removeDriver stops and removes the driver's service, if it names the file.
func removeDriver(file string) (removed bool, err error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return false, fmt.Errorf("open the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(manager)
	name, err := windows.UTF16PtrFromString(driverService)
	if err != nil {
		return false, err
	}
	service, err := windows.OpenService(manager, name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_STOP|windows.DELETE)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("open the driver's service: %w", err)
	}
	defer windows.CloseServiceHandle(service)
	buffer := make([]uint64, 1024) // 8 kB is the most that a configuration needs
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buffer[0]))
	var needed uint32
	if err := windows.QueryServiceConfig(service, config, uint32(len(buffer)*8), &needed); err != nil {
		return false, fmt.Errorf("read the driver's service: %w", err)
	}
	if path := strings.TrimPrefix(windows.UTF16PtrToString(config.BinaryPathName), `\??\`); !strings.EqualFold(path, file) {
		return false, nil // another program's
	}
	var status windows.SERVICE_STATUS
	err = windows.ControlService(service, windows.SERVICE_CONTROL_STOP, &status)
	if err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		err = fmt.Errorf("stop the driver: %w", err)
	} else {
		err = nil
	}
	if failed := windows.DeleteService(service); failed != nil && !errors.Is(failed, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
		return false, errors.Join(err, fmt.Errorf("remove the driver's service: %w", failed))
	}
	return true, err
}
