// Package replica reads a node's own copy of the stream for clients that come back: what
// came on a subject after a sequence, without asking anybody.
//
// The server's store finds the next message of a subject by what it keeps of each of its
// files, and within one it looks through all messages in between; what it needs to look it
// loads anew when some seconds have passed. That is quick where a subject has little, and
// dear for all who come back at once to a full store. So where looking has taken about as
// long as reading all would, all is read, once and in order, and an index is kept of it: which
// subject, by a hash, has which sequences. Sequences mean the same for ever, so an index is
// never wrong; a message that it knows of may have been removed, which is seen when it is
// loaded. An index takes six bytes per message, and all together at most some 40 MB; what
// nobody has asked for in two minutes is let go.
//
// Only good news is given: a copy that is not known to have all that was asked for, and a
// history that retention may have removed some of, are for others to judge.
package replica
