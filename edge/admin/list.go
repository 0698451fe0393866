package admin

import (
	"net/url"
	"strconv"

	"weft/edge/parameter"
	"weft/edge/problem"
)

// Bounds of a list's page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// pages are the parameters of a list, and pageParams what they mean.
var (
	pages      = parameter.Once("after", "limit")
	pageParams = params{"after": afterParam, "limit": limitParam}
)

// A page is one part of a list. Next is the after of the next one, "" when this
// is the last.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// pageOf cuts a list that was asked for one item more than the limit.
func pageOf[T any](items []T, limit int, key func(T) string) page[T] {
	if items == nil {
		items = []T{}
	}
	p := page[T]{Items: items}
	if len(items) > limit {
		p.Items = items[:limit]
		p.Next = key(items[limit-1])
	}
	return p
}

// pageQuery reads after= and limit=.
func pageQuery(q url.Values) (after string, limit int, err error) {
	limit = defaultLimit
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxLimit {
			return "", 0, problem.New(problem.BadRequest, "limit is not a number between 1 and 1000")
		}
	}
	return q.Get("after"), limit, nil
}
