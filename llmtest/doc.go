// Package llmtest is for the tests of applications: a server that speaks the wire formats of OpenAI (chat
// completions and responses), Anthropic, Gemini and Amazon Bedrock (Converse), whole and streamed, with answers that
// the test scripts and every fault that a host can have. It runs in the test's own process, needs no key and no
// network, and the application's code stays as it is:
//
//	func TestGreeting(t *testing.T) {
//		srv := llmtest.NewServer(t)
//		srv.Reply(llmtest.Text("Hello, Ada."))
//		require.Equal(t, "Hello, Ada.", app.Greet(srv.Client(), "Ada"))
//		require.Equal(t, "Greet Ada.", srv.Requests()[0].LastUserText())
//	}
//
// The test imports the providers that the application uses, as the application does; any model name works.
// A program that takes a base URL instead of a client gets [Server.BaseURL], whatever it is written in.
//
// # Answers
//
// [Server.Reply] scripts answers, which are given in order; the last one repeats. [Server.Handle] makes them from the
// request. Without either the server repeats what the user said, or answers with a sample of the JSON schema that was
// asked for, so that a program runs before its script is written. An [Answer] is written once and sent in the native
// JSON of whichever API was called: text, reasoning with its signature, tool calls, usage, finish reason, in the pieces
// and at the pace that the test wants.
//
// Embeddings (the same text has the same vector), images, speech, transcription, moderation, token counts and lists of
// models answer by themselves, in OpenAI's form, and where they have one in Anthropic's, Gemini's or Bedrock's.
//
// # Faults
//
// [Server.Fault] makes the next request fail, [Server.FaultAlways] all of them, in one of the ways that [Faults] lists:
// errors as the API words them, connections that break at every place, streams that stall, drip, end too early or
// never, bodies that are not what they say. That is how an application finds out what its users see when a provider has
// a bad day:
//
//	srv.Fault(llmtest.Stall)                    // silence in the middle of the answer
//	srv.Fault(llmtest.ErrorEvent.BeforeContent()) // an error event, before a word of it
//	srv.FaultAlways(llmtest.Status(529))        // overloaded, and it does not get better
//
// What goes wrong below HTTP is there too, on real sockets: connections that are refused or go unanswered, names that do not
// resolve, and, from [NewTLSServer], certificates that are not right, handshakes that stall, HTTP/2 that is broken off. The
// transport of [Server.HTTPClient], which [Server.Client] has, meets what is on the way to the server; everything else comes
// from the server, whatever the client is written in:
//
//	srv := llmtest.NewTLSServer(t)              // https and HTTP/2, with a certificate that Client trusts
//	srv.Fault(llmtest.TLSExpired)               // the next connection is shown another one
//	srv.Fault(llmtest.NameNotFound)             // a resolver says that there is no such host
//	srv.Fault(llmtest.GoAway)                   // HTTP/2 ends the connection before it takes the request
//
// # Recordings
//
// [Recorder] is a transport that keeps live exchanges in a file, without the secrets in them; [Replay] answers from
// such a file, without a network.
package llmtest
