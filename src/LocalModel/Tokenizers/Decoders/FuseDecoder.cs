using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Makes one token of all, for the decoders behind it.</summary>
internal sealed record FuseDecoder : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Fuse");

    private sealed class Stream(IDecoderStream next) : IDecoderStream
    {
        public void Push(ReadOnlySpan<char> text, bool endsToken) => next.Push(text, endsToken: false);

        public void Finish()
        {
            next.Push("", endsToken: true);
            next.Finish();
        }
    }
}
