using System.Numerics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Which tokens the blocks of a <see cref="KvCache"/> hold: a tree in which each block follows the one before it, so that a sequence that
/// begins as an earlier one did finds its keys and values (as vLLM's automatic prefix caching and SGLang's radix attention do). Full blocks
/// are found by a hash of their parent and their tokens, which are then compared; the last block of a sequence may be full in part. Blocks
/// that no sequence holds are idle and leave by age. Adding, finding and removing allocate nothing.
/// </summary>
/// <remarks>
/// A block becomes idle after those that follow it, because a sequence gives its last block back first and holds all blocks before the ones
/// it holds. So the oldest idle block never has children.
/// </remarks>
internal sealed class PrefixTree
{
    private const int None = -1;
    private const int BlockTokens = KvCache.BlockTokens;

    private readonly Node[] _nodes;
    private readonly int[] _tokens;
    private readonly int[] _buckets;
    private int _firstRoot = None;
    private int _oldest = None;
    private int _newest = None;

    /// <summary>Creates an empty tree.</summary>
    /// <param name="blocks">The blocks of the cache.</param>
    public PrefixTree(int blocks)
    {
        _nodes = new Node[blocks];
        _tokens = new int[checked(blocks * BlockTokens)];
        _buckets = new int[BitOperations.RoundUpToPowerOf2((uint)blocks)];
        Array.Fill(_buckets, None);
    }

    /// <summary>The blocks of the tree that no sequence holds.</summary>
    public int IdleBlocks { get; private set; }

    /// <summary>The parent of a sequence's first block: not a block, but the kind of positions that its keys were turned by.</summary>
    public static int Root(int positionKey) => ~positionKey;

    /// <summary>The tokens of a block that the tree knows; 0 for a block outside the tree.</summary>
    public int Count(int block) => _nodes[block].Count;

    /// <summary>The full block with these tokens after a parent; negative where there is none.</summary>
    public int Find(int parent, ReadOnlySpan<int> tokens)
    {
        int block = _buckets[Bucket(parent, tokens)];
        while (block != None && !(_nodes[block].Parent == parent && Tokens(block).SequenceEqual(tokens)))
            block = _nodes[block].NextInBucket;
        return block;
    }

    /// <summary>
    /// The block after a parent that begins with most of the tokens given, and with how many; a negative block where there is none.
    /// </summary>
    public (int Block, int Common) FindLongest(int parent, ReadOnlySpan<int> tokens)
    {
        int best = None, common = 0;
        for (int block = FirstChild(parent); block != None && common < tokens.Length; block = _nodes[block].NextSibling)
            if (_nodes[block].Parent == parent && Tokens(block).CommonPrefixLength(tokens) is var length && length > common)
                (best, common) = (block, length);
        return (best, common);
    }

    /// <summary>Adds a block that is held, or more tokens of one that is in the tree and was not full.</summary>
    public void Add(int block, int parent, ReadOnlySpan<int> tokens)
    {
        ref var node = ref _nodes[block];
        if (node.Count == 0)
        {
            ref int first = ref FirstChild(parent);
            node = new Node { Parent = parent, FirstChild = None, NextSibling = first, PreviousSibling = None };
            if (first != None)
                _nodes[first].PreviousSibling = block;
            first = block;
        }

        node.Count = tokens.Length;
        tokens.CopyTo(_tokens.AsSpan(block * BlockTokens));
        if (tokens.Length < BlockTokens)
            return;
        ref int bucket = ref _buckets[Bucket(parent, tokens)];
        node.NextInBucket = bucket;
        bucket = block;
    }

    /// <summary>Takes a block without children out of the tree.</summary>
    public void Remove(int block)
    {
        ref var node = ref _nodes[block];
        if (node.FirstChild != None)
            throw new InvalidOperationException("A block that others follow cannot leave the tree.");
        if (node.IsIdle)
            Hold(block);
        if (node.Count == BlockTokens)
        {
            ref int place = ref _buckets[Bucket(node.Parent, Tokens(block))];
            while (place != block)
                place = ref _nodes[place].NextInBucket;
            place = node.NextInBucket;
        }

        if (node.PreviousSibling != None)
            _nodes[node.PreviousSibling].NextSibling = node.NextSibling;
        else
            FirstChild(node.Parent) = node.NextSibling;
        if (node.NextSibling != None)
            _nodes[node.NextSibling].PreviousSibling = node.PreviousSibling;
        node.Count = 0;
    }

    /// <summary>The last sequence that held a block of the tree has given it back.</summary>
    public void Release(int block)
    {
        ref var node = ref _nodes[block];
        node.IsIdle = true;
        node.Older = _newest;
        node.Newer = None;
        if (_newest != None)
            _nodes[_newest].Newer = block;
        else
            _oldest = block;
        _newest = block;
        IdleBlocks++;
    }

    /// <summary>A sequence takes an idle block.</summary>
    public void Hold(int block)
    {
        ref var node = ref _nodes[block];
        node.IsIdle = false;
        if (node.Older != None)
            _nodes[node.Older].Newer = node.Newer;
        else
            _oldest = node.Newer;
        if (node.Newer != None)
            _nodes[node.Newer].Older = node.Older;
        else
            _newest = node.Older;
        IdleBlocks--;
    }

    /// <summary>Removes the block that has been idle for longest.</summary>
    /// <returns>The block; negative when none is idle.</returns>
    public int Evict()
    {
        int block = _oldest;
        if (block != None)
            Remove(block);
        return block;
    }

    /// <summary>
    /// Removes an idle block that says less than the tokens given: it has the same parent and holds only their beginning.
    /// </summary>
    /// <returns>The block; negative when there is none (any more).</returns>
    public int RemoveBeginning(int parent, ReadOnlySpan<int> tokens)
    {
        for (int block = FirstChild(parent); block != None; block = _nodes[block].NextSibling)
        {
            ref readonly var node = ref _nodes[block];
            if (node.IsIdle && node.Parent == parent && node.Count < tokens.Length && tokens.StartsWith(Tokens(block)))
            {
                Remove(block);
                return block;
            }
        }

        return None;
    }

    private Span<int> Tokens(int block) => _tokens.AsSpan(block * BlockTokens, _nodes[block].Count);

    // The first blocks of all sequences are one list, whatever their root.
    private ref int FirstChild(int parent)
    {
        if (parent < 0)
            return ref _firstRoot;
        return ref _nodes[parent].FirstChild;
    }

    private int Bucket(int parent, ReadOnlySpan<int> tokens)
    {
        ulong hash = (uint)parent;
        foreach (int token in tokens)
            hash = (BitOperations.RotateLeft(hash, 23) ^ (uint)token) * 0x9E3779B97F4A7C15;
        return (int)(hash >> 32) & (_buckets.Length - 1);
    }

    private struct Node
    {
        public int Parent;
        public int Count;
        public int FirstChild;
        public int NextSibling;
        public int PreviousSibling;
        public int NextInBucket;
        public int Newer;
        public int Older;
        public bool IsIdle;
    }
}
