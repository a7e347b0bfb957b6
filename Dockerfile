# The engine in production: dependencies without the development tools, no root, nothing to write but /tmp.
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional

FROM node:26-bookworm-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY src src
COPY lua lua
COPY verify verify
USER node
EXPOSE 8080
CMD ["node", "src/start.ts"]
