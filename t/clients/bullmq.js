// bullmq HOST PORT JOBS: a queue and three workers. Prints each hundred jobs
// that are done, and at the end how many failed, stalled or ran twice.
const { Queue, Worker, QueueEvents } = require('bullmq');
const [host, port, jobs] = process.argv.slice(2);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const ran = new Map();
const count = { error: 0, failed: 0, stalled: 0, twice: 0, done: 0 };

(async () => {
	const queue = new Queue('q', { connection });
	const events = new QueueEvents('q', { connection });
	const workers = [1, 2, 3].map(() => new Worker('q', async (job) => {
		const n = (ran.get(job.id) || 0) + 1;
		ran.set(job.id, n);
		count.twice += n > 1;
		await new Promise((f) => setTimeout(f, 2));
	}, { connection, concurrency: 4 }));

	for (const x of [queue, events, ...workers])
		x.on('error', (e) => {
			count.error++;
			console.log(`error ${e.message}`);
		});
	events.on('failed', () => count.failed++);
	events.on('stalled', () => count.stalled++);
	events.on('completed', () => {
		if (++count.done % 100 === 0)
			console.log(`done ${count.done}`);
	});
	await events.waitUntilReady();
	for (let i = 0; i < Number(jobs); i++) {
		await queue.add('job', { i });
		if (i % 10 === 0)
			await new Promise((f) => setTimeout(f, 5));
	}
	while (count.done < Number(jobs))
		await new Promise((f) => setTimeout(f, 10));
	console.log('end', Object.entries(count).join(' '));
	process.exit(0);
})();
