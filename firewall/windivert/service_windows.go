package windivert

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The driver's service and device, as WinDivert calls them.
const (
	driverService = "WinDivert"
	driverDevice  = `\\.\WinDivert`
)

// startDriver sees to it that the driver runs. If it does not yet, it is our
// own that runs then, whatever path an earlier service names. Like WinDivert's
// library it marks the service for removal at once: Windows removes it when
// the driver stops.
func startDriver() error {
	if running, err := driverRuns(); running || err != nil {
		return err
	}
	path, err := beside(driverFile)
	if err != nil {
		return err
	}
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT|windows.SC_MANAGER_CREATE_SERVICE)
	if err != nil {
		return explain("open the service manager", err)
	}
	defer windows.CloseServiceHandle(manager)
	service, err := serviceFor(manager, path)
	if err != nil {
		return err
	}
	defer windows.CloseServiceHandle(service)
	if err := windows.StartService(service, 0, nil); err != nil && err != windows.ERROR_SERVICE_ALREADY_RUNNING {
		return explain("start the driver "+path, err)
	}
	if err := windows.DeleteService(service); err != nil && err != windows.ERROR_SERVICE_MARKED_FOR_DELETE {
		return explain("mark the driver's service for removal", err)
	}
	return nil
}

// driverRuns tells whether the driver's device is there.
func driverRuns() (bool, error) {
	name, err := windows.UTF16PtrFromString(driverDevice)
	if err != nil {
		return false, err
	}
	device, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OVERLAPPED, 0)
	if err == nil {
		return true, windows.CloseHandle(device)
	}
	if err == windows.ERROR_FILE_NOT_FOUND || err == windows.ERROR_PATH_NOT_FOUND {
		return false, nil
	}
	return false, explain("open the driver", err)
}

// serviceFor opens or creates the service, and has it name the driver at path.
func serviceFor(manager windows.Handle, path string) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(driverService)
	if err != nil {
		return 0, err
	}
	const access = windows.SERVICE_QUERY_CONFIG | windows.SERVICE_CHANGE_CONFIG | windows.SERVICE_START | windows.DELETE
	service, err := windows.OpenService(manager, name, access)
	if err == windows.ERROR_SERVICE_DOES_NOT_EXIST {
		binary, err := windows.UTF16PtrFromString(path)
		if err != nil {
			return 0, fmt.Errorf("the driver's path: %w", err)
		}
		service, err = windows.CreateService(manager, name, name, access, windows.SERVICE_KERNEL_DRIVER,
			windows.SERVICE_DEMAND_START, windows.SERVICE_ERROR_NORMAL, binary, nil, nil, nil, nil, nil)
		if err != nil {
			return 0, explain("create the driver's service", err)
		}
		return service, nil
	}
	if err != nil {
		return 0, explain("open the driver's service", err)
	}
	if err := nameBinary(service, path); err != nil {
		windows.CloseServiceHandle(service)
		return 0, explain("have the driver's service name "+path, err)
	}
	return service, nil
}

// nameBinary has the service name the driver at path.
func nameBinary(service windows.Handle, path string) error {
	if current, err := serviceBinary(service); err != nil || strings.EqualFold(current, path) {
		return err
	}
	binary, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	return windows.ChangeServiceConfig(service, windows.SERVICE_NO_CHANGE, windows.SERVICE_DEMAND_START, windows.SERVICE_NO_CHANGE,
		binary, nil, nil, nil, nil, nil, nil)
}

// serviceBinary is the path of a service's driver.
func serviceBinary(service windows.Handle) (string, error) {
	// 8 kB is the most that a configuration needs.
	buffer := make([]uint64, 1024)
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buffer[0]))
	var needed uint32
	if err := windows.QueryServiceConfig(service, config, uint32(len(buffer))*8, &needed); err != nil {
		return "", err
	}
	return strings.TrimPrefix(windows.UTF16PtrToString(config.BinaryPathName), `\??\`), nil
}

// RemoveDriver stops the driver and removes its service, if the service is
// ours: if it names the driver beside our executable; removed tells whether it
// was there. While another program uses the driver, Windows removes it later.
func RemoveDriver() (removed bool, err error) {
	path, err := beside(driverFile)
	if err != nil {
		return false, err
	}
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return false, explain("open the service manager", err)
	}
	defer windows.CloseServiceHandle(manager)
	name, err := windows.UTF16PtrFromString(driverService)
	if err != nil {
		return false, err
	}
	service, err := windows.OpenService(manager, name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_STOP|windows.DELETE)
	if err == windows.ERROR_SERVICE_DOES_NOT_EXIST {
		return false, nil
	}
	if err != nil {
		return false, explain("open the driver's service", err)
	}
	defer windows.CloseServiceHandle(service)
	if current, err := serviceBinary(service); err != nil {
		return false, explain("read the driver's service", err)
	} else if !strings.EqualFold(current, path) {
		return false, nil
	}
	var status windows.SERVICE_STATUS
	stopped := windows.ControlService(service, windows.SERVICE_CONTROL_STOP, &status)
	if stopped == windows.ERROR_SERVICE_NOT_ACTIVE {
		stopped = nil
	}
	deleted := windows.DeleteService(service)
	if deleted == windows.ERROR_SERVICE_MARKED_FOR_DELETE {
		deleted = nil
	}
	if err := errors.Join(stopped, deleted); err != nil {
		return deleted == nil, explain("remove the driver", err)
	}
	return true, nil
}
