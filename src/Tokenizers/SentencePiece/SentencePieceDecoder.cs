using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Turns pieces back into text: U+2581 becomes a blank, the one that normalisation put in front is dropped, byte pieces become characters,
/// U+FFFD for every byte that belongs to none (source: sentencepiece_processor.cc of SentencePiece 0.2).
/// </summary>
internal sealed class SentencePieceDecoder(SentencePieceSpec spec, SentencePieceVocabulary vocabulary) : ITokenDecoder
{
    private const char Meta = '\u2581';
    private const char Replacement = '\uFFFD';

    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(spec, vocabulary, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => throw SentencePieceNormalizer.NotTokenizerJson();

    /// <summary>Applies the model's rules for decoded text, if it has any.</summary>
    public static string Denormalize(SentencePieceSpec spec, string text)
    {
        if (spec.DecodingCharsMap.Length == 0)
            return text;
        var rules = new SentencePieceNormalizer(
            spec with
            {
                CharsMap = spec.DecodingCharsMap,
                AddDummyPrefix = false,
                RemoveExtraWhitespaces = false,
                EscapeWhitespaces = false
            }, null);
        var output = new List<char>();
        rules.Normalize(text, output, []);
        return string.Concat(output);
    }

    private sealed class Stream(SentencePieceSpec spec, SentencePieceVocabulary vocabulary, IDecoderStream next) : WholeTokenStream(next)
    {
        private readonly List<byte> _bytes = [];
        private readonly StringBuilder _text = new();
        private bool _atStart = true;
        private bool _sawBlank;
        private bool _hasText;

        protected override void Token(ReadOnlySpan<char> token)
        {
            bool known = vocabulary.All.TryGetId(token, out int id);
            if (known && vocabulary.Pieces[id].Type == PieceType.Byte && SentencePieceVocabulary.ByteOf(token) is { } value)
            {
                _bytes.Add(value);
                PushBytes(isEnd: false);
                return;
            }

            PushBytes(isEnd: true);
            if (_sawBlank || _hasText)
                _atStart = false;
            _sawBlank = false;
            if (known && vocabulary.Pieces[id].Type == PieceType.Unknown)
            {
                Push(spec.UnknownSurface);
                return;
            }

            if (known && vocabulary.Pieces[id].Type == PieceType.Control)
            {
                Push(token);
                return;
            }

            if (_atStart && (spec.AddDummyPrefix || spec.RemoveExtraWhitespaces) && token.StartsWith([Meta]))
            {
                token = token[1..];
                _sawBlank = !spec.RemoveExtraWhitespaces;
            }

            Push(token);
        }

        protected override void End() => PushBytes(isEnd: true);

        private void Push(ReadOnlySpan<char> part)
        {
            _text.Clear();
            _text.Append(part).Replace(Meta, ' ');
            _hasText |= _text.Length > 0;
            Next.Push(_text.ToString(), endsToken: true);
        }

        /// <summary>Passes on the characters that are whole, and what certainly never will be.</summary>
        private void PushBytes(bool isEnd)
        {
            _text.Clear();
            int at = 0;
            Span<byte> four = stackalloc byte[4];
            while (at < _bytes.Count)
            {
                int count = Math.Min(4, _bytes.Count - at);
                for (int i = 0; i < count; i++)
                    four[i] = _bytes[at + i];
                var status = Rune.DecodeFromUtf8(four[..count], out var rune, out int read);
                if (status == System.Buffers.OperationStatus.NeedMoreData && !isEnd)
                    break;
                if (status == System.Buffers.OperationStatus.Done)
                {
                    _text.Append(rune.ToString());
                    at += read;
                }
                else
                {
                    _text.Append(Replacement);
                    at++;
                }
            }

            _bytes.RemoveRange(0, at);
            if (_text.Length == 0)
                return;
            _hasText = true;
            Next.Push(_text.ToString(), endsToken: true);
        }
    }
}
