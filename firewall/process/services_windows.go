package process

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// userServiceInstance marks a user's own copy of a service (SERVICE_USERSERVICE_INSTANCE).
const userServiceInstance = 0x80

// services lists the services that run.
func services() ([]service, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, fmt.Errorf("open the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(manager)
	buffer := make([]uint64, 1<<14)
	for {
		var needed, count uint32
		err := windows.EnumServicesStatusEx(manager, windows.SC_ENUM_PROCESS_INFO, windows.SERVICE_WIN32, windows.SERVICE_ACTIVE,
			(*byte)(unsafe.Pointer(&buffer[0])), uint32(len(buffer)*8), &needed, &count, nil, nil)
		if errors.Is(err, windows.ERROR_MORE_DATA) && needed < 1<<24 {
			buffer = make([]uint64, len(buffer)+int(needed)/8+1<<10)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the services: %w", err)
		}
		all := make([]service, count)
		for i, s := range unsafe.Slice((*windows.ENUM_SERVICE_STATUS_PROCESS)(unsafe.Pointer(&buffer[0])), count) {
			status := s.ServiceStatusProcess
			all[i] = service{windows.UTF16PtrToString(s.ServiceName), status.ProcessId, status.ServiceType&userServiceInstance != 0}
		}
		return all, nil
	}
}
