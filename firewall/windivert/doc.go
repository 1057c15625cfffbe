// Package windivert is the Windows backend: WinDivert says who opens what and holds packets.
package windivert
