# python3-redis HOST PORT
import sys
import threading
import redis

host, port = sys.argv[1], int(sys.argv[2])


def connect(**more):
    return redis.Redis(host, port, decode_responses=True, **more)


c, other = connect(client_name='checker'), connect()


def later(fn):
    threading.Timer(0.1, fn).start()


def set_and_get():
    c.flushall()
    assert c.set('k', 'v') and other.get('k') == 'v'


def client_info():
    assert c.client_getname() == 'checker'
    assert any(x['name'] == 'checker' for x in c.client_list())
    assert c.client_id() > 0 and c.info()['role'] == 'master'


def pipeline():
    p = c.pipeline(transaction=False)
    for _ in range(500):
        p.incr('n')
    assert p.execute() == list(range(1, 501))


def multi():
    p = c.pipeline().set('m', 1).incr('m').lpush('m', 1)
    assert p.execute(raise_on_error=False)[:2] == [True, 2]


def watch():
    with c.pipeline() as p:
        p.watch('w')
        other.set('w', 1)
        p.multi()
        p.set('w', 2)
        try:
            p.execute()
        except redis.WatchError:
            return
    raise AssertionError('it ran')


def publish_and_subscribe():
    s = c.pubsub(ignore_subscribe_messages=True)
    s.subscribe('ch')
    s.psubscribe('c*')
    s.get_message(timeout=1), s.get_message(timeout=1)
    assert other.publish('ch', 'hello') == 2
    got = [s.get_message(timeout=5) for _ in range(2)]
    assert [m['data'] for m in got] == ['hello', 'hello'], got


def lua():
    add = c.register_script('return redis.call("INCRBY", KEYS[1], ARGV[1])')
    assert add(['lua'], [2]) == 2
    c.script_flush()
    assert add(['lua'], [2]) == 4


def stream_blocking():
    c.xgroup_create('s', 'g', '$', mkstream=True)
    later(lambda: other.xadd('s', {'f': 'x'}))
    got = c.xreadgroup('g', 'me', {'s': '>'}, block=10000)
    assert got[0][1][0][1] == {'f': 'x'}


def blpop():
    later(lambda: other.rpush('q', 'x'))
    assert c.blpop('q', 10) == ('q', 'x')
    assert c.blpop('q', 1) is None


def scan():
    c.mset({f'scan:{i}': 1 for i in range(1000)})
    assert len(set(c.scan_iter('scan:*'))) == 1000


def lock():
    with c.lock('lock', timeout=5):
        assert not other.lock('lock', blocking=False).acquire()


def select():
    assert connect(db=3).set('only here', 1) and c.get('only here') is None


for check in (set_and_get, client_info, pipeline, multi, watch,
              publish_and_subscribe, lua, stream_blocking, blpop, scan, lock,
              select):
    name = check.__name__.replace('_', ' ')
    try:
        check()
        print('ok', name)
    except Exception as e:
        print('not ok', name + ':', type(e).__name__, e)
