# One image for each process. `make images` fills the build context with Python packages for this
# base, pinned by hash, so that the build needs no registry of them and the images no compiler.
FROM debian:trixie-slim AS base
RUN command -v python3 >/dev/null && test -d /etc/ssl/certs \
 || { apt-get update \
   && apt-get install --yes --no-install-recommends python3 ca-certificates \
   && rm -rf /var/lib/apt/lists/*; }
ENV PYTHONPATH=/opt/download-operator PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp

FROM base AS operator
COPY operator /opt/download-operator
RUN PYTHONDONTWRITEBYTECODE= python3 -m compileall -q /opt/download-operator
USER 65532:65532
ENTRYPOINT ["python3", "-m", "download_operator"]

FROM base AS api
COPY api /opt/download-operator
RUN PYTHONDONTWRITEBYTECODE= python3 -m compileall -q /opt/download-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "download_api"]

# From Debian, the worker's image has Python, the libraries that it and its packages are linked to,
# and the certificates. It has no shell, no package manager and no other program.
FROM base AS worker-files
COPY worker /opt/download-operator
RUN PYTHONDONTWRITEBYTECODE= python3 -m compileall -q /opt/download-operator \
 && find /usr/bin/python3 /usr/lib/python3* /opt/download-operator /etc/ssl/certs \
      /etc/nsswitch.conf /etc/os-release \
      '(' -name test -o -name pydoc_data -o -name '_test*.so' -o -name '_dbm*' -o -name '_sqlite*' \
      ')' -prune -o -print > /tmp/own \
 && grep -E '/python3$|\.so' /tmp/own | xargs ldd \
  | grep -v /opt/ | grep -o '/[^ :]*\.so[^ :]*' > /tmp/linked \
 && mkdir /bare \
 && sort --unique /tmp/own /tmp/linked \
  | tar --create --dereference --no-recursion --files-from=- | tar --extract --directory=/bare \
 && mkdir --mode=1777 /bare/tmp

FROM scratch AS worker
COPY --from=worker-files /bare /
ENV PATH=/usr/bin PYTHONPATH=/opt/download-operator PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["python3", "-m", "download_worker"]

# The worker with a browser, for format pdf. It lacks Mesa's compiler for graphics cards, a third of
# the image, because a browser that prints never loads it. DejaVu has the letters of Europe and the
# Near East, Micro Hei those of Chinese, Japanese and Korean. Of Noto's 260 files, those remain that
# have the scripts of South and Southeast Asia and of Ethiopia.
FROM base AS worker-pdf
RUN printf 'path-exclude=%s\n' '/usr/lib/*/libLLVM*' '/usr/lib/*/libgallium*' '/usr/lib/*/libz3*' \
      '/usr/lib/chromium/libVk*' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' \
      '/usr/share/fonts/truetype/noto/*' > /etc/dpkg/dpkg.cfg.d/browser \
 && printf 'path-include=/usr/share/fonts/truetype/noto/NotoSans%s-Regular.ttf\n' Bengali \
      Devanagari Ethiopic Gujarati Gurmukhi Kannada Khmer Lao Malayalam Myanmar Oriya Sinhala \
      Tamil Telugu Thai >> /etc/dpkg/dpkg.cfg.d/browser \
 && apt-get update \
 && apt-get install --yes --no-install-recommends chromium-headless-shell fonts-dejavu-core \
      fonts-wqy-microhei fonts-noto-core \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY worker-pdf /opt/download-operator
RUN PYTHONDONTWRITEBYTECODE= python3 -m compileall -q /opt/download-operator
USER 65532:65532
ENTRYPOINT ["python3", "-m", "download_worker"]
