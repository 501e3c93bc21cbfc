// Runs checks one after the other and says of each whether it is well.
exports.run = async (checks, end) => {
	for (const [name, fn] of Object.entries(checks)) {
		let late;
		const limit = new Promise((_, no) => {
			late = setTimeout(() => no(new Error('no answer')),
			    20000);
		});
		try {
			await Promise.race([fn(), limit]);
			console.log(`ok ${name}`);
		} catch (e) {
			console.log(`not ok ${name}: ${e.message}`);
		}
		clearTimeout(late);
	}
	await end();
	process.exit(0);
};
