package main

// lacks is what a node does without on this system.
var lacks []string
