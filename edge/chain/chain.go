// Package chain is lists of records that hold their neighbours themselves: to be in one
// costs a record two pointers and nothing else. Who has the list guards it.
package chain

// Links are the neighbours of a record in one list; zero in none.
type Links[T any] struct{ prev, next *T }

// Next is the record behind.
func (l *Links[T]) Next() *T { return l.next }

// Push puts x at the head of the list whose links are those that of returns.
func Push[T any](head **T, x *T, of func(*T) *Links[T]) {
	*of(x) = Links[T]{next: *head}
	if *head != nil {
		of(*head).prev = x
	}
	*head = x
}

// Drop takes x out of the list that it is in.
func Drop[T any](head **T, x *T, of func(*T) *Links[T]) {
	l := of(x)
	if l.next != nil {
		of(l.next).prev = l.prev
	}
	if l.prev != nil {
		of(l.prev).next = l.next
	} else {
		*head = l.next
	}
	*l = Links[T]{}
}

// PushTo is Push for the list of a key.
func PushTo[T any](heads map[string]*T, key string, x *T, of func(*T) *Links[T]) {
	head := heads[key]
	Push(&head, x, of)
	heads[key] = head
}

// DropFrom is Drop for the list of a key, which goes with its last record.
func DropFrom[T any](heads map[string]*T, key string, x *T, of func(*T) *Links[T]) {
	first := of(x).prev == nil
	var head *T
	switch Drop(&head, x, of); {
	case !first:
	case head == nil:
		delete(heads, key)
	default:
		heads[key] = head
	}
}

// Of lists the records of a list, the last that was put in first.
func Of[T any](head *T, of func(*T) *Links[T]) (list []*T) {
	for x := head; x != nil; x = of(x).next {
		list = append(list, x)
	}
	return list
}
