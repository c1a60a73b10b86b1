# The studio in a container:
#   docker build -t balign .
#   docker run --rm -p 127.0.0.1:7860:7860 -v balign-runs:/home/user/runs -v balign-cache:/home/user/.cache balign
# The first volume keeps the runs; the second what base models drew, and what was fetched from the hub.
# The studio is public in it, for visitors; -e BALIGN_PUBLIC=0 makes all runs those of whoever reaches the port.
FROM python:3.11-slim

# Its user owns its home and nothing else: the runs, and caches below .cache, of which a hub model's is one.
RUN useradd --create-home --uid 1000 user \
    && install -d -o user -g user /home/user/runs /home/user/.cache \
       /home/user/.cache/balign /home/user/.cache/huggingface
WORKDIR /app

# PyTorch's CPU builds, much smaller than the CUDA ones. For a GPU name another of its indexes:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 -t balign . && docker run --gpus all …
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r requirements.txt -c constraints.txt

# The program stays root's, so that nothing that runs can change it; hence it is compiled here.
COPY . .
RUN python -m compileall -q app.py balign

USER user
ENV BALIGN_RUNS=/home/user/runs \
    BALIGN_CACHE=/home/user/.cache/balign \
    HF_HOME=/home/user/.cache/huggingface \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1
VOLUME ["/home/user/runs", "/home/user/.cache"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/gradio_api/startup-events', timeout=8)"]
# Python as the first process of a container does not heed SIGTERM.
STOPSIGNAL SIGINT
CMD ["python", "app.py"]
