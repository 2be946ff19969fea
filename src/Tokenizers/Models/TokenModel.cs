using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Turns a piece of text into tokens.</summary>
internal interface ITokenModel
{
    /// <summary>The tokens and their ids.</summary>
    Vocabulary Vocabulary { get; }

    /// <summary>
    /// The id whose tokens are shown as the text they stand for, not as the vocabulary spells them; -1 when there is none.
    /// </summary>
    int SurfaceId => -1;

    /// <summary>Appends the tokens of a piece; their places count from the start of the piece.</summary>
    void Tokenize(ReadOnlySpan<char> piece, TokenSink sink);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>Tokenizes a word without a cache.</summary>
internal interface IWordTokenizer
{
    /// <summary>Appends the tokens of a word.</summary>
    void Run(ReadOnlySpan<char> piece, TokenSink sink);
}

/// <summary>Collects tokens; their places too when offsets are wanted. Buffers are reused.</summary>
internal sealed class TokenSink
{
    private int[] _ids = new int[64];
    private int[] _starts = [];
    private int[] _ends = [];

    /// <summary>The number of tokens so far.</summary>
    public int Count { get; private set; }

    public bool TracksOffsets { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Where the tokens start; what the numbers count from is up to the writer.</summary>
    public Span<int> Starts => _starts.AsSpan(0, Count);

    public Span<int> Ends => _ends.AsSpan(0, Count);

    public int Capacity => _ids.Length;

    public void Clear(bool trackOffsets)
    {
        Count = 0;
        TracksOffsets = trackOffsets;
        if (trackOffsets && _starts.Length < _ids.Length)
            (_starts, _ends) = (new int[_ids.Length], new int[_ids.Length]);
    }

    /// <summary>Drops the tokens from a given place onwards.</summary>
    public void Rewind(int count) => Count = count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int id, int start, int end)
    {
        if (Count == _ids.Length)
            Grow(Count + 1);
        _ids[Count] = id;
        if (TracksOffsets)
            (_starts[Count], _ends[Count]) = (start, end);
        Count++;
    }

    /// <summary>Adds the tokens of a word.</summary>
    /// <param name="word">The word.</param>
    /// <param name="place">What is added to their places.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(WordCache.Entry word, int place = 0)
    {
        if (word.OnlyId < 0 || TracksOffsets || Count == _ids.Length)
            AddRange(word.Ids, word.Starts, word.Ends, place);
        else
            _ids[Count++] = word.OnlyId;
    }

    /// <summary>Adds tokens.</summary>
    /// <param name="moreIds">Their ids.</param>
    /// <param name="moreStarts">Where they start.</param>
    /// <param name="moreEnds">Where they end.</param>
    /// <param name="place">What is added to their places.</param>
    public void AddRange(ReadOnlySpan<int> moreIds, ReadOnlySpan<int> moreStarts, ReadOnlySpan<int> moreEnds, int place = 0)
    {
        int count = Count + moreIds.Length;
        if (count > _ids.Length)
            Grow(count);
        if (moreIds.Length == 1)
            _ids[Count] = moreIds[0];
        else
            moreIds.CopyTo(_ids.AsSpan(Count));
        if (TracksOffsets)
        {
            moreStarts.CopyTo(_starts.AsSpan(Count));
            moreEnds.CopyTo(_ends.AsSpan(Count));
            for (int i = Count; place > 0 && i < count; i++)
                (_starts[i], _ends[i]) = (_starts[i] + place, _ends[i] + place);
        }

        Count = count;
    }

    private void Grow(int needed)
    {
        int size = (int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * _ids.Length));
        Array.Resize(ref _ids, size);
        if (TracksOffsets)
        {
            Array.Resize(ref _starts, size);
            Array.Resize(ref _ends, size);
        }
    }
}
