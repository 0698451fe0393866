package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"weft/jetstream/rpc"
)

const (
	// partBytes bounds what a node tells of a list at once, in bytes of JSON.
	partBytes = 768 << 10
	// entryBytes is what an entry needs beside its user, each byte of which may
	// be written with six.
	entryBytes = 64
	// againTime bounds a question to one node for what came after its first
	// answer.
	againTime = time.Second
)

// A userPart is what one node has of a list of users, in order. With More it
// has others after the last one.
type userPart struct {
	Items []userEntry `json:"items"`
	More  bool        `json:"more"`
}

// partLimit is a limit that came from another node.
func partLimit(limit int) int { return min(max(limit, 1), maxLimit) }

// partOf cuts sorted entries to the limit, and to what fits into an answer.
func partOf(items []userEntry, limit int) userPart {
	size := 0
	for i, item := range items {
		size += 6*len(item.User) + entryBytes
		if i == limit || i > 0 && size > partBytes {
			return userPart{items[:i], true}
		}
	}
	return userPart{items, false}
}

func byUser(x, y userEntry) int { return strings.Compare(x.User, y.User) }

// startOf is the name after which users are looked for that begin with a prefix and come
// after a name: not far before the first of them also at a node that does not know of
// prefixes.
func startOf(prefix, after string) string {
	if prefix == "" {
		return after
	}
	return max(after, prefix[:len(prefix)-1])
}

// merge makes one page of what the nodes have of users whose names begin with a prefix.
// What they told of others is left out, so a page may be short although there is a
// next one. It reaches only as far as all of
// them have told: beyond the end of a part with more to come, its node may have
// connections of the same users.
func merge(parts []userPart, prefix string, limit int) page[userEntry] {
	sums, end, more := map[string]int{}, "", false
	for _, p := range parts {
		for _, item := range p.Items {
			if strings.HasPrefix(item.User, prefix) {
				sums[item.User] += item.Connections
			}
		}
		if n := len(p.Items); p.More && n > 0 {
			if last := p.Items[n-1].User; !more || last < end {
				end = last
			}
			more = true
		}
	}
	if end > prefix && !strings.HasPrefix(end, prefix) {
		more = false // none that comes later begins so
	}
	items := make([]userEntry, 0, len(sums))
	for user, n := range sums {
		if n > 0 && (!more || user <= end) { // some have gone since their names were listed
			items = append(items, userEntry{user, n})
		}
	}
	slices.SortFunc(items, byUser)
	if len(items) > limit {
		items, more, end = items[:limit], true, items[limit-1].User
	}
	p := page[userEntry]{Items: items}
	if more {
		p.Next = end
	}
	return p
}

// callAgain asks one node for more of what it has begun to tell.
func callAgain[A any](ctx context.Context, nodes *rpc.RPC, name, method string, q any) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, againTime)
	defer cancel()
	return rpc.CallJSON[A](ctx, nodes, name, method, q)
}
