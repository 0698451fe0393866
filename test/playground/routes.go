package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// changedRoute is the route that the page changes, breaks and rolls back.
const changedRoute = "greeting"

// routeLines are the routes of the configuration, to the shop at address. The page comes
// from another origin than the node.
func routeLines(origins, address string) []string {
	return []string{
		"# What does not begin with /_weft/ goes to the back ends. These are the routes that the",
		"# bucket is given when it does not know their names; there they can be changed.",
		"routes:",
		"  order:",
		"    pattern: POST /api/orders",
		"    target: kafka://" + kafkaShop,
		"    key: '{user}'",
		"    reply: {topic: " + kafkaReplies + ", timeout: 10s}",
		"    cors: " + origins,
		"  order-later:",
		"    pattern: POST /api/orders/later",
		"    target: kafka://" + kafkaShop,
		"    key: '{user}'",
		"    cors: " + origins,
		"  price:",
		"    pattern: GET /api/prices/{item}",
		"    target: nats://" + servicePrice + "{item}",
		"    cors: " + origins,
		"  " + changedRoute + ":",
		"    pattern: GET /api/greeting",
		"    target: http://" + address + "/v1/greeting",
		"    cors: " + origins,
		"  clock:",
		"    pattern: GET /api/clock",
		"    target: http://" + address + "/clock",
		"    cors: " + origins,
	}
}

// A routeItem is a route as the node shows it.
type routeItem struct {
	Revision uint64          `json:"revision"`
	Serving  uint64          `json:"serving_revision"`
	State    string          `json:"state"`
	Route    json.RawMessage `json:"route,omitempty"`
	Problem  *struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"problem,omitempty"`
}

// showRoute tells the page how the route is.
func (p *page) showRoute(w http.ResponseWriter, r *http.Request) {
	p.answerRoute(w, r, func(ctx context.Context) error { return nil })
}

// putRoute puts a version of the route: by the admin listener, which refuses a bad one, or
// raw, as nats kv put does.
func (p *page) putRoute(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Document string `json:"document"`
		Raw      bool   `json:"raw"`
	}
	if !p.read(w, r, &req) {
		return
	}
	p.answerRoute(w, r, func(ctx context.Context) error { return p.back.putRoute(ctx, req.Document, req.Raw) })
}

// rollBack puts the version again that was served before the newest one.
func (p *page) rollBack(w http.ResponseWriter, r *http.Request) {
	var req struct{}
	if !p.read(w, r, &req) {
		return
	}
	p.answerRoute(w, r, p.back.rollBackRoute)
}

func (p *page) answerRoute(w http.ResponseWriter, r *http.Request, change func(context.Context) error) {
	ctx, cancel := context.WithTimeout(r.Context(), publishTimeout)
	defer cancel()
	err := change(ctx)
	if err == nil {
		var item routeItem
		if item, err = p.back.route(ctx); err == nil {
			p.answer(w, http.StatusOK, item)
			return
		}
	}
	p.refuse(w, http.StatusBadGateway, err.Error())
}

// route asks the node for the route.
func (p *publisher) route(ctx context.Context) (item routeItem, err error) {
	body, err := p.admin(ctx, http.MethodGet, "/_weft/v1/routes/"+changedRoute, "", nil)
	if err != nil {
		return item, err
	}
	return item, json.Unmarshal(body, &item)
}

// putRoute puts a version of the route.
func (p *publisher) putRoute(ctx context.Context, document string, raw bool) error {
	if !raw {
		_, err := p.admin(ctx, http.MethodPut, "/_weft/v1/routes/"+changedRoute, "", []byte(document))
		return err
	}
	bucket, err := p.stream.KeyValue(ctx, "routes")
	if err != nil {
		return fmt.Errorf("open the bucket routes: %w", err)
	}
	revision, err := bucket.Put(ctx, changedRoute, []byte(document))
	if err != nil {
		return fmt.Errorf("put the route: %w", err)
	}
	return p.awaitRevision(ctx, revision)
}

// awaitRevision returns when the node has read a revision of the route.
func (p *publisher) awaitRevision(ctx context.Context, revision uint64) error {
	for {
		switch item, err := p.route(ctx); {
		case err != nil:
			return err
		case item.Revision >= revision:
			return nil
		}
	}
}

// rollBackRoute puts the newest version again that is good and not the one that serves; if
// the newest one is bad, the one that serves.
func (p *publisher) rollBackRoute(ctx context.Context) error {
	now, err := p.route(ctx)
	if err != nil {
		return err
	}
	body, err := p.admin(ctx, http.MethodGet, "/_weft/v1/routes/"+changedRoute+"/history", "", nil)
	if err != nil {
		return err
	}
	var history struct {
		Items []struct {
			Revision  uint64          `json:"revision"`
			Operation string          `json:"operation"`
			Problem   json.RawMessage `json:"problem"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &history); err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	for _, v := range history.Items {
		if v.Operation == "put" && v.Problem == nil && v.Revision != now.Revision {
			q := url.Values{"revision": {strconv.FormatUint(v.Revision, 10)}}
			_, err := p.admin(ctx, http.MethodPost, "/_weft/v1/routes/"+changedRoute+"/rollback?"+q.Encode(), "", nil)
			return err
		}
	}
	return errors.New("there is no earlier version")
}
