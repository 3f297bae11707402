mod message;
mod scale;
