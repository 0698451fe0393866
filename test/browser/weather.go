package browser

import (
	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Freeze freezes the page as a browser does to tabs that have not been looked at for a
// while: no timer and no task of it runs, until it is thawed.
func (tab *Tab) Freeze(frozen bool) {
	tab.t.Helper()
	state := page.SetWebLifecycleStateStateActive
	if frozen {
		state = page.SetWebLifecycleStateStateFrozen
	}
	if _, err := chromedp.Call(tab.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
		tab.t.Fatalf("freeze a page (%v): %v", frozen, err)
	}
}

// Hide takes the page out of sight, or shows it, as a window is that is minimised.
func (tab *Tab) Hide(hidden bool) {
	tab.t.Helper()
	state := cdpbrowser.WindowStateNormal
	if hidden {
		state = cdpbrowser.WindowStateMinimized
	}
	window, err := chromedp.Call(tab.ctx, cdpbrowser.GetWindowForTarget, cdpbrowser.GetWindowForTargetParams{})
	if err == nil {
		_, err = chromedp.Call(tab.ctx, cdpbrowser.SetWindowBounds, cdpbrowser.SetWindowBoundsParams{WindowID: window.WindowID, Bounds: &cdpbrowser.Bounds{WindowState: state}})
	}
	if err != nil {
		tab.t.Fatalf("hide a page (%v): %v", hidden, err)
	}
	if now := eval[bool](tab, "document.hidden"); now != hidden {
		tab.t.Fatalf("a page that was hidden (%v) is so: %v", hidden, now)
	}
}

// Offline takes the network from the page as developer tools do: requests fail and the page
// is told. What is open is left to the browser.
func (tab *Tab) Offline(offline bool) {
	tab.t.Helper()
	conditions := []*network.Conditions{{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}}
	if _, err := chromedp.Call(tab.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions}); err != nil {
		tab.t.Fatalf("take the network from a page (%v): %v", offline, err)
	}
	state := network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}
	if _, err := chromedp.Call(tab.ctx, network.OverrideNetworkState, state); err != nil {
		tab.t.Fatalf("tell a page of its network (%v): %v", offline, err)
	}
}

// Crash ends the process of the page, as a browser's that runs out of memory does.
func (tab *Tab) Crash() {
	go func() { _, _ = chromedp.Call(tab.ctx, page.Crash, cdp.Empty{}) }() // who crashes does not answer
}

// Back goes back to the page before this one.
func (tab *Tab) Back() {
	tab.t.Helper()
	eval[bool](tab, "(setTimeout(() => history.back()), true)")
}
