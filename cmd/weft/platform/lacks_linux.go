package platform

// lacks is what a node does without on this system.
var lacks []string
