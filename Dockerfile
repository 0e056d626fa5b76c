# Serves a kept model on CPUs. In the root of the repository:
#
#   docker build -t lit-causalmix .
#   docker run --init -p 127.0.0.1:8000:8000 -v "$PWD/credit-model:/model:ro" lit-causalmix
#
# The image holds no model, and so no rows: they are mounted. docs/deployment.md has more.
FROM python:3.12-slim

# The CPU build, first: without it pip fetches gigabytes of CUDA packages.
RUN pip install --no-cache-dir "torch>=2.10" --index-url https://download.pytorch.org/whl/cpu

COPY . /source
RUN pip install --no-cache-dir "/source[serve]" && rm -rf /source

RUN useradd --uid 10001 --create-home served
USER served
WORKDIR /home/served

EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]
# Within the container every address; what reaches it from outside is said by `docker run -p`.
ENTRYPOINT ["lit-causalmix", "serve", "/model", "--host", "0.0.0.0"]
