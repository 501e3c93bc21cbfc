// hold HOST PORT: one INCR that is held longer than any time-out of node-redis.
// Prints what it is told, and the answer; the test ends the hold.
const { createClient } = require('redis');
const [host, port] = process.argv.slice(2);

(async () => {
	const c = createClient({ RESP: 3, socket: { host, port: Number(port),
	    socketTimeout: 3000 }, commandOptions: { timeout: 3000 },
	    maintNotifications: 'enabled', maintEndpointType: 'internal-ip' });
	c.on('error', (e) => console.log(`error ${e.message}`));
	await c.connect();
	console.log('ready');
	process.stdin.once('data', async () => {
		try {
			console.log(`answer ${await c.incr('held')}`);
		} catch (e) {
			console.log(`answer ${e.message}`);
		}
		process.exit(0);
	});
})();
