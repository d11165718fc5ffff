# frozen_string_literal: true

# A shop that asks a Quivive server which of its visitors are agents: keeps one of them out, and tells its pages about
# the others.

require_relative "guard"

use Guard,
    server: ENV.fetch("QUIVIVE_URL", "http://127.0.0.1:8080"),
    key: ENV.fetch("AGENTSHIELD_API_KEY"),
    blocked: ["GPTBot"],
    except: ["/health"]

run lambda { |env|
  next [200, { "content-type" => "text/plain" }, ["well"]] if env["PATH_INFO"] == "/health"

  page = { coffee: 12 }
  verdict = env["quivive"]
  page[:you] = { bot_type: verdict["botType"], confidence: verdict["confidence"] } if verdict
  [200, { "content-type" => "application/json" }, [JSON.generate(page)]]
}
