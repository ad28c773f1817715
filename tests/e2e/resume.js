// A grpc-js client that follows the event log over several replicas: watches from the beginning at the
// first, and each time a stream ends goes on at the next with the last cursor it has got. Prints
// "event GROUP/SEQUENCE" an event and "moved CODE" an end; ends when its input does.
'use strict';

const grpc = require('@grpc/grpc-js');
const { SERVICE, credentials, deadline, learn } = require('./learn');

const targets = process.argv.slice(2);
let cursor = '';

function follow(Service, at) {
  const client = new Service(targets[at % targets.length], credentials);
  const request = cursor ? { resume_cursor: cursor } : { start: 'WATCH_START_BEGINNING' };
  const stream = client.WatchEvents(request, deadline());
  stream.on('data', (answer) => {
    for (const event of answer.events) console.log(`event ${event.scaling_group}/${event.sequence}`);
    if (answer.gap) console.log('gap');
    cursor = answer.cursor;
  });
  stream.on('error', (error) => {
    console.log(`moved ${grpc.status[error.code]}`);
    client.close();
    setTimeout(() => follow(Service, at + 1), 50);
  });
}

async function main() {
  const plain = new grpc.Client(targets[0], credentials);
  const definition = await learn(plain);
  plain.close();
  follow(grpc.loadPackageDefinition(definition).berth.v1.SchedulerService, 0);
  process.stdin.on('end', () => process.exit(0));
  process.stdin.resume();
}

main();
