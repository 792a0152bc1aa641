// Package faultmatrix is a test: the contract's fault matrix, each fault in each dialect over real sockets, with the rules that
// hold in every cell. What comes of it is published in docs/faults.md:
//
//	go test ./internal/faultmatrix                           fails if a rule is broken, or the page is not what ran
//	go test ./internal/faultmatrix -update                   writes the page
//	go test ./internal/faultmatrix -run TestFaultMatrix/39   one row
//	go test ./internal/faultmatrix -run TestSoak -soak 2m -v a steady load with faults
//
// It runs on Linux, where descriptors can be counted, and whose resets and full queues the table shows.
package faultmatrix
