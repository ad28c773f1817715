// What a client can learn of the server by reflection (grpc.reflection.v1), knowing only its address.
'use strict';

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const SERVICE = 'berth.v1.SchedulerService';
const ERROR_INFO = 'google.rpc.ErrorInfo';
const credentials = grpc.credentials.createInsecure();
const deadline = () => ({ deadline: Date.now() + 60000 });

// The few messages of the reflection protocol that are needed to ask for files.
const reflection = protobuf.Root.fromJSON({
  nested: {
    Ask: {
      oneofs: { what: { oneof: ['fileContainingSymbol', 'listServices'] } },
      fields: {
        fileContainingSymbol: { type: 'string', id: 4 },
        listServices: { type: 'string', id: 7 },
      },
    },
    Files: { fields: { fileDescriptorProto: { rule: 'repeated', type: 'bytes', id: 1 } } },
    Name: { fields: { name: { type: 'string', id: 1 } } },
    Names: { fields: { service: { rule: 'repeated', type: 'Name', id: 1 } } },
    Answer: {
      fields: { files: { type: 'Files', id: 4 }, services: { type: 'Names', id: 6 } },
    },
    FileSet: { fields: { file: { rule: 'repeated', type: 'bytes', id: 1 } } },
  },
});

function ask(client, question) {
  const [Ask, Answer] = ['Ask', 'Answer'].map((name) => reflection.lookupType(name));
  return new Promise((resolve, reject) => {
    const call = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      (message) => Buffer.from(Ask.encode(Ask.create(message)).finish()),
      (bytes) => Answer.decode(bytes),
      deadline(),
    );
    call.on('data', resolve).on('error', reject);
    call.write(question);
    call.end();
  });
}

// Everything the server says about these symbols, loaded as grpc-js wants it.
async function learn(client) {
  const FileSet = reflection.lookupType('FileSet');
  const found = new Map();
  for (const symbol of [SERVICE, ERROR_INFO, 'google.rpc.Status']) {
    const answer = await ask(client, { fileContainingSymbol: symbol });
    for (const file of answer.files.fileDescriptorProto) found.set(file.toString('base64'), file);
  }
  const set = FileSet.encode({ file: [...found.values()] }).finish();
  return loader.loadFileDescriptorSetFromBuffer(Buffer.from(set), {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
}

module.exports = { SERVICE, ERROR_INFO, credentials, deadline, ask, learn };
