using System.Text;
using System.Text.Json;

namespace Kotonoha.Grammars.Automaton;

/// <summary>
/// The names of the members of the JSON objects that are being written, where the grammar leaves them free: no name may come twice in one
/// object, which no automaton can see to. Follows a text byte by byte.
/// </summary>
internal sealed class MemberNames
{
    private readonly List<byte> _name;
    private Member? _last;

    /// <summary>Begins a text.</summary>
    public MemberNames() => _name = [];

    private MemberNames(MemberNames other) => (_name, _last) = ([.. other._name], other._last);

    /// <summary>The same place in a text, to go on from in another way.</summary>
    public MemberNames Copy() => new(this);

    /// <summary>Takes a byte.</summary>
    /// <returns>Whether all is well: false where it ends a name that its object has already.</returns>
    public bool Take(State before, byte value, State after)
    {
        bool isNew = true;
        if (before.Place.IsInName)
        {
            if (after.Place.IsInName)
                _name.Add(value);
            else
                isNew = value != (byte)'"' || Use(before.Place.Objects);
        }

        if (!after.Place.IsInName)
            _name.Clear();
        while (_last is not null && _last.Object > after.Place.Objects)
            _last = _last.Before;
        return isNew;
    }

    /// <summary>
    /// The quotes that a token must have to end a name that is taken, or else one to end this name or begin the next one: most tokens have
    /// none, and need not be looked at.
    /// </summary>
    public int QuotesToRepeat(State state)
    {
        if (!state.Place.IsInName)
            return _last is null ? 4 : 2;
        if (_name.Contains((byte)'\\'))
            return 1;
        for (var member = _last; member is not null && member.Object == state.Place.Objects; member = member.Before)
            if (member.Name.AsSpan().StartsWith(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_name)))
                return 1;
        return 3;
    }

    private bool Use(int inObject)
    {
        byte[] name = [.. _name];
        if (_name.Contains((byte)'\\'))
            name = Encoding.UTF8.GetBytes(JsonDocument.Parse($"\"{Encoding.UTF8.GetString(name)}\"").RootElement.GetString()!);
        for (var member = _last; member is not null && member.Object == inObject; member = member.Before)
            if (member.Name.AsSpan().SequenceEqual(name))
                return false;
        _last = new Member(name, inObject, _last);
        return true;
    }

    /// <summary>A member of an object.</summary>
    /// <param name="Name">Its name in UTF-8, without escapes.</param>
    /// <param name="Object">In how many objects it lies.</param>
    /// <param name="Before">The member before it in its object or, if it is the first, in those around it.</param>
    private sealed record Member(byte[] Name, int Object, Member? Before);
}
