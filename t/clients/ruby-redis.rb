# ruby-redis HOST PORT
require 'redis'
require 'timeout'
host, port = ARGV
open_one = -> { Redis.new(host: host, port: port, timeout: 10, id: 'checker') }
c, other = open_one.(), open_one.()
# Does it once somebody is blocked, or in vain when nobody is for 10 s.
later = lambda do |&fn|
  Thread.new do
    Timeout.timeout(10) do
      Thread.pass until other.info(:clients)['blocked_clients'].to_i > 0
    end
    fn.()
  end
end
checks = {
  'set and get' => -> { c.flushall; c.set('k', 'v'); other.get('k') == 'v' },
  'CLIENT' => lambda {
    c.client(:list).any? { |x| x['name'] == 'checker' || x['cmd'] }
  },
  'pipeline' => lambda {
    c.pipelined { |p| 500.times { p.incr('n') } } == (1..500).to_a
  },
  'MULTI' => lambda {
    c.multi { |t| t.set('m', 1); t.incr('m'); t.get('m') } == ['OK', 2, '2']
  },
  'WATCH' => lambda {
    c.watch('w') do
      other.set('w', 1)
      c.multi { |t| t.set('w', 2) }
    end.nil?
  },
  'publish and subscribe' => lambda {
    got = nil
    open_one.().subscribe('ch') do |on|
      on.subscribe { |*| Thread.new { other.publish('ch', 'hello') } }
      on.message { |_, m| got = m; raise StopIteration }
    end rescue StopIteration
    got == 'hello'
  },
  'Lua' => lambda {
    script = 'return redis.call("INCRBY", KEYS[1], ARGV[1])'
    c.evalsha(c.script(:load, script), ['lua'], [2]) == 2
  },
  'stream, blocking' => lambda {
    c.xgroup(:create, 's', 'g', '$', mkstream: true)
    later.() { other.xadd('s', { f: 'x' }) }
    c.xreadgroup('g', 'me', 's', '>', block: 5000)['s'][0][1] == { 'f' => 'x' }
  },
  'BLPOP' => lambda {
    later.() { other.rpush('q', 'x') }
    c.blpop('q', timeout: 5) == %w[q x] && c.blpop('q', timeout: 1).nil?
  },
  'SCAN' => lambda {
    c.mapped_mset((0...1000).to_h { |i| ["scan:#{i}", 1] })
    c.scan_each(match: 'scan:*').to_a.uniq.size == 1000
  },
  'SELECT' => lambda {
    d = open_one.()
    d.select(3)
    d.set('only here', 1)
    c.get('only here').nil?
  }
}
checks.each do |name, check|
  puts(check.() ? "ok #{name}" : "not ok #{name}")
rescue StandardError => e
  puts "not ok #{name}: #{e.message}"
end
