package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// serve is the host that the provider speaks to.
func serve(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Bird, Words string
		Stream      bool
	}
	if r.URL.Path != "/say" || r.Header.Get("X-Parrot-Key") != "seeds" || json.NewDecoder(r.Body).Decode(&req) != nil {
		http.Error(w, `{"error":"squawk"}`, http.StatusBadRequest)
		return
	}
	if !req.Stream {
		fmt.Fprintf(w, `{"said":%q}`, req.Words+"! "+req.Words+"!")
		return
	}
	for word := range strings.FieldsSeq(req.Words) {
		fmt.Fprintf(w, "{\"said\":%q}\n", word+" ")
	}
	fmt.Fprintln(w, `{"end":true}`)
}
