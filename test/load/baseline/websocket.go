package main

import (
	"net/http"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{}

func (h *hub) websocket(w http.ResponseWriter, r *http.Request) {
	events := h.subscribe()
	defer h.unsubscribe(events)
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	for {
		select {
		case event := <-events:
			if conn.WriteMessage(websocket.TextMessage, event) != nil {
				return
			}
		case <-gone:
			return
		}
	}
}
