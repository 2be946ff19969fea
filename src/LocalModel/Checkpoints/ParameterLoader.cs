using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Fills the parameters of a model from the tensors of a checkpoint. Every parameter must be there, in its shape, and nothing else.</summary>
internal static class ParameterLoader
{
    private const int MostNamesInAMessage = 5;

    /// <summary>Reads every parameter.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="parameters">The parameters of the model.</param>
    /// <param name="parameterName">The name of the parameter that a tensor of the checkpoint is meant for, or null where it is to be left out.</param>
    /// <exception cref="CheckpointException">Tensors are missing, too many, or of another shape.</exception>
    /// <exception cref="SafetensorsException">A tensor is of a type that is no floating-point number of 16 or 32 bits.</exception>
    public static void Load(SafetensorsSet tensors, IReadOnlyList<Parameter> parameters, Func<string, string?> parameterName)
    {
        var byName = parameters.ToDictionary(p => p.Name, StringComparer.Ordinal);
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        var surplus = new List<string>();
        foreach (var name in tensors.Names.Order(StringComparer.Ordinal))
        {
            if (parameterName(name) is not { } target)
                continue;
            if (!byName.ContainsKey(target))
                surplus.Add(name);
            else if (!sources.TryAdd(target, name))
                throw new CheckpointException(tensors.Folder, $"'{name}' and '{sources[target]}' are the same tensor. Keep one of them.");
        }

        var missing = byName.Keys.Where(n => !sources.ContainsKey(n)).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0 || surplus.Count > 0)
            throw new CheckpointException(
                tensors.Folder,
                $"the tensors do not fit the model that config.json describes: {List("missing", missing)}{(missing.Count > 0 && surplus.Count > 0 ? "; " : "")}{List("surplus", surplus)}. Use the config.json that belongs to these weights.");
        foreach (var (target, source) in sources)
        {
            var parameter = byName[target];
            var file = tensors.FileOf(source);
            if (!SameShape(file[source].Shape, parameter.Shape))
                throw new CheckpointException(file.Path, $"tensor '{source}' has the shape {file[source].ShapeText}, the model that config.json describes needs [{string.Join(", ", parameter.Shape.ToArray())}]. Use the config.json that belongs to these weights.");
            file.Read(source, parameter.Values);
        }
    }

    private static bool SameShape(ReadOnlySpan<long> stored, ReadOnlySpan<int> wanted)
    {
        if (stored.Length != wanted.Length)
            return false;
        for (int i = 0; i < stored.Length; i++)
            if (stored[i] != wanted[i])
                return false;
        return true;
    }

    private static string List(string what, List<string> names)
        => names.Count == 0 ? "" : $"{what} {string.Join(", ", names.Take(MostNamesInAMessage).Select(n => $"'{n}'"))}{(names.Count > MostNamesInAMessage ? $" and {names.Count - MostNamesInAMessage} more" : "")}";
}
