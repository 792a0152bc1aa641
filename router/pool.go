package router

// pool is the candidates of one choice.
type pool struct{}
