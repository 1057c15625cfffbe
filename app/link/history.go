package link

import (
	"context"
	"net/http"

	"sallyport.dev/sallyport/firewall"
	"sallyport.dev/sallyport/ui"
)

// idRequest names a change or a line of the log.
type idRequest struct {
	ID string `json:"id"`
}

// handleHistory answers what concerns the past, and what is to be cleaned up.
func (s *Server) handleHistory(mux *http.ServeMux) {
	c := s.Control
	handle(mux, s, "POST /v1/stale", toRead, c.Stale)
	handle(mux, s, "POST /v1/changes", toRead, c.Changes)
	handle(mux, s, "POST /v1/explain", toRead, func(ctx context.Context, r idRequest) (ui.Explanation, error) { return c.Explain(ctx, r.ID) })
	handleUpTo(mux, s, "POST /v1/whatif", toRead, maxDocument*3/2, c.WhatIf) // a document grows by a third in JSON
	handle(mux, s, "POST /v1/undo", toRead, func(ctx context.Context, r idRequest) (change ui.Change, err error) {
		of, err := c.Changes(ctx, ui.ChangeQuery{ID: r.ID})
		if err != nil {
			return change, err
		}
		err = s.guarded(ctx, needOfUndo(of[0]), func() error {
			change, err = c.Undo(ctx, r.ID)
			return err
		})
		return change, err
	})
}

// needOfUndo tells what taking a change back asks for: what making it what it
// was before would.
func needOfUndo(c ui.Change) need {
	n := toManage
	if c.Import {
		n = toWeaken
	}
	for name, before := range c.Before {
		of := needOfSetting(name)
		if name == "mode" {
			var m firewall.Mode
			if before != "" && m.UnmarshalText([]byte(before)) != nil {
				m = firewall.ModeOff // what is not understood is the most
			}
			of = needOfMode(m)
		}
		n = max(n, of)
	}
	return n
}

func (c *Client) Changes(ctx context.Context, q ui.ChangeQuery) (cs []ui.Change, err error) {
	return cs, c.call(ctx, readPatience, "POST", "/v1/changes", q, &cs)
}

func (c *Client) Undo(ctx context.Context, id string) (change ui.Change, err error) {
	return change, c.call(ctx, changePatience, "POST", "/v1/undo", idRequest{id}, &change)
}

func (c *Client) Explain(ctx context.Context, line string) (x ui.Explanation, err error) {
	return x, c.call(ctx, readPatience, "POST", "/v1/explain", idRequest{line}, &x)
}

func (c *Client) WhatIf(ctx context.Context, p ui.Proposal) (f ui.Forecast, err error) {
	return f, c.call(ctx, readPatience, "POST", "/v1/whatif", p, &f)
}

func (c *Client) Stale(ctx context.Context, q ui.StaleQuery) (rs []ui.StaleRule, err error) {
	return rs, c.call(ctx, readPatience, "POST", "/v1/stale", q, &rs)
}
