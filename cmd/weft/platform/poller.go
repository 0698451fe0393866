//go:build !linux

package platform

// lacksPoller is so on each system without epoll(7).
const lacksPoller = "a poller: net/http serves all connections, and each costs more memory"
