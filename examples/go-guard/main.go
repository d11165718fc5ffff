// A shop that asks a Quivive server which of its visitors are agents: keeps one of them out, and tells its pages about
// the others. Nothing but the standard library.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	guard := &Guard{
		Server:  setting("QUIVIVE_URL", "http://127.0.0.1:8080"),
		Key:     os.Getenv("AGENTSHIELD_API_KEY"),
		Blocked: []string{"GPTBot"},
	}
	if guard.Key == "" {
		log.Fatal("set AGENTSHIELD_API_KEY")
	}
	pages := http.NewServeMux()
	pages.HandleFunc("/prices", func(writer http.ResponseWriter, request *http.Request) {
		page := map[string]any{"coffee": 12}
		if verdict := VerdictOf(request); verdict != nil {
			page["you"] = map[string]any{"bot_type": verdict.BotType, "confidence": verdict.Confidence}
		}
		writeJSON(writer, http.StatusOK, page)
	})
	site := http.NewServeMux()
	site.HandleFunc("/health", func(writer http.ResponseWriter, _ *http.Request) { fmt.Fprint(writer, "well") })
	site.Handle("/", guard.Handler(pages))

	listener, err := net.Listen("tcp", "127.0.0.1:"+setting("PORT", "3000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, site))
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
