using System.Numerics;
using System.Runtime.InteropServices;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A set of slots: an ascending list while it is small against what it ranges over, a bitmap afterwards. Not thread-safe beside a writer.
/// </summary>
internal sealed class SlotSet
{
    // A list of more members would take more memory than the bitmap.
    private const int BitsOfMember = 32;
    private const int MinBitmapMembers = 256;

    private List<int>? _members = [];
    private ulong[] _bits = [];

    public int Count { get; private set; }

    /// <summary>Whether the members are few enough to be a list.</summary>
    public bool IsSmall => _members is not null;

    public static SlotSet Of(IEnumerable<int> ascending)
    {
        var set = new SlotSet();
        foreach (int slot in ascending)
            set.Add(slot);
        return set;
    }

    /// <summary>The slots that are in all of some sets.</summary>
    public static SlotSet Intersect(IReadOnlyList<SlotSet> sets)
    {
        if (sets.Count == 1)
            return sets[0];
        // A list may be longer than a bitmap whose members lie close together, or have been removed.
        if (sets.Where(set => set.IsSmall).MinBy(set => set.Count) is { } list)
            return Of(list._members!.Where(slot => sets.All(set => set.Contains(slot))));
        var both = new SlotSet { _members = null, _bits = sets[0]._bits.AsSpan().ToArray() };
        foreach (var set in sets)
            for (int word = 0; word < both._bits.Length; word++)
                both._bits[word] &= word < set._bits.Length ? set._bits[word] : 0;
        foreach (ulong word in both._bits)
            both.Count += BitOperations.PopCount(word);
        return both;
    }

    /// <summary>The slots that are in at least one of some sets.</summary>
    public static SlotSet Union(IReadOnlyList<SlotSet> sets)
    {
        if (sets.Count == 1)
            return sets[0];
        if (sets.All(set => set.IsSmall))
            return Of(sets.SelectMany(set => set._members!).Distinct().Order());
        var any = new SlotSet { _members = null, _bits = new ulong[sets.Max(set => set._bits.Length)] };
        foreach (var set in sets)
        {
            for (int word = 0; word < set._bits.Length; word++)
                any._bits[word] |= set._bits[word];
            foreach (int slot in set._members ?? [])
            {
                any.Grow(slot);
                any._bits[slot >> 6] |= 1UL << slot;
            }
        }

        foreach (ulong word in any._bits)
            any.Count += BitOperations.PopCount(word);
        return any;
    }

    /// <summary>The slots that are in none of some other sets.</summary>
    public SlotSet Except(IReadOnlyList<SlotSet> others)
    {
        if (_members is not null)
            return Of(_members.Where(slot => !others.Any(set => set.Contains(slot))));
        var rest = new SlotSet { _members = null, _bits = _bits.AsSpan().ToArray(), Count = Count };
        foreach (var set in others)
        {
            for (int word = 0; word < Math.Min(rest._bits.Length, set._bits.Length); word++)
                rest._bits[word] &= ~set._bits[word];
            foreach (int slot in set._members ?? [])
                rest.Remove(slot);
        }

        rest.Count = 0;
        foreach (ulong word in rest._bits)
            rest.Count += BitOperations.PopCount(word);
        return rest;
    }

    public bool Contains(int slot)
    {
        if (_members is not null)
            return _members.BinarySearch(slot) >= 0;
        int word = slot >> 6;
        return word < _bits.Length && (_bits[word] >> slot & 1) != 0;
    }

    public void Add(int slot)
    {
        if (_members is not null)
        {
            if (_members.Count == 0 || slot > _members[^1])
                _members.Add(slot);
            else if (_members.BinarySearch(slot) is < 0 and var place)
                _members.Insert(~place, slot);
            else
                return;
            Count++;
            if (Count > MinBitmapMembers && (long)Count * BitsOfMember > _members[^1])
                ToBitmap();
            return;
        }

        Grow(slot);
        if ((_bits[slot >> 6] >> slot & 1) != 0)
            return;
        _bits[slot >> 6] |= 1UL << slot;
        Count++;
    }

    public void Remove(int slot)
    {
        if (_members is not null)
        {
            if (_members.BinarySearch(slot) is >= 0 and var place)
            {
                _members.RemoveAt(place);
                Count--;
            }
        }
        else if (Contains(slot))
        {
            _bits[slot >> 6] &= ~(1UL << slot);
            Count--;
        }
    }

    /// <summary>The members from a slot on, in ascending order.</summary>
    public ReadOnlySpan<int> StartingAt(int slot)
    {
        if (_members is not null)
        {
            int place = _members.BinarySearch(slot);
            return CollectionsMarshal.AsSpan(_members)[(place < 0 ? ~place : place)..];
        }

        var slots = new int[Count];
        int count = 0;
        for (int word = slot >> 6; word < _bits.Length; word++)
            for (ulong rest = _bits[word]; rest != 0; rest &= rest - 1)
                if (word * 64 + BitOperations.TrailingZeroCount(rest) is var member && member >= slot)
                    slots[count++] = member;
        return slots.AsSpan(0, count);
    }

    private void ToBitmap()
    {
        Grow(_members![^1]);
        foreach (int slot in _members)
            _bits[slot >> 6] |= 1UL << slot;
        _members = null;
    }

    private void Grow(int slot)
    {
        if (slot >> 6 >= _bits.Length)
            Array.Resize(ref _bits, Math.Max((slot >> 6) + 1, 2 * _bits.Length));
    }
}
