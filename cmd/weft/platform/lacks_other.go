//go:build !unix

package platform

// lacks is what a node does without on this system.
var lacks = []string{
	lacksPoller,
	"the free space of a disk: node.min_free is not watched, and a full disk refuses events",
	"a lock of the data folder: nothing stops a second process on it",
}
