# frozen_string_literal: true

require "json"
require "net/http"
require "uri"

# Rack middleware that asks a Quivive server about each request. Nothing but the standard library.
#
# What was found out is in `env["quivive"]`. When the server is silent everybody is let through.
class Guard
  # What detection looks at. Cookies and credentials stay here; what is too long for the server is left out.
  HEADERS = %w[
    accept accept-encoding accept-language from host sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest
    sec-fetch-mode sec-fetch-site signature signature-agent signature-input user-agent
  ].freeze
  LONGEST_HEADER = 8192
  SECONDS = 0.25

  # `server` is its address, `key` an API key of the project, `blocked` the names of agents that are kept out, and
  # `except` are paths that are not looked at.
  def initialize(app, server:, key:, blocked: [], except: [])
    @app = app
    @question = URI("#{server}/api/v1/detect?include=agent")
    @key = key
    @blocked = blocked
    @except = except
  end

  def call(env)
    return @app.call(env) if @except.include?(env["PATH_INFO"])

    verdict = env["quivive"] = detect(env)
    agent = verdict&.dig("extended", "agent", "name")
    return @app.call(env) unless @blocked.include?(agent)

    body = JSON.generate(error: "POLICY_BLOCKED", agent: agent)
    [403, { "content-type" => "application/json" }, [body]]
  end

  private

  def detect(env)
    answer = connection.request(question(env))
    raise "the server answered #{answer.code}: #{answer.body}" unless answer.is_a?(Net::HTTPOK)

    JSON.parse(answer.body)
  rescue StandardError => e
    env["rack.errors"]&.puts("quivive: #{e.message}")
    # A connection that failed is not used again.
    Thread.current[:quivive] = nil
  end

  def question(env)
    question = Net::HTTP::Post.new(@question, "Content-Type" => "application/json", "X-AgentShield-Key" => @key)
    question.body = JSON.generate(facts(env))
    question
  end

  # Behind a proxy of your own `REMOTE_ADDR` is the proxy's address: take the one that it reports.
  def facts(env)
    named = HEADERS.to_h { |name| [name, env["HTTP_#{name.upcase.tr('-', '_')}"]&.scrub] }
    headers = named.select { |_, value| value && value.bytesize <= LONGEST_HEADER }
    { ip: env["REMOTE_ADDR"], headers: headers, method: env["REQUEST_METHOD"] }
  end

  # One connection for each thread, kept open.
  def connection
    Thread.current[:quivive] ||= Net::HTTP.start(
      @question.host, @question.port,
      use_ssl: @question.scheme == "https", open_timeout: SECONDS, read_timeout: SECONDS, write_timeout: SECONDS
    )
  end
end
