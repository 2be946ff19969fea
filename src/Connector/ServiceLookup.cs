namespace Kotonoha.Connector;

/// <summary>What the views of a model answer when they are asked for a service.</summary>
internal static class ServiceLookup
{
    /// <summary>The first of the offered objects whose type is exactly the one asked for, else the view itself if it is of that type.</summary>
    /// <param name="view">The chat client or embedding generator.</param>
    /// <param name="serviceType">What is asked for.</param>
    /// <param name="serviceKey">A key; nothing is offered under one.</param>
    /// <param name="offered">The metadata, the model, its tokenizer.</param>
    public static object? Find(object view, Type serviceType, object? serviceKey, params ReadOnlySpan<object> offered)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        foreach (var service in offered)
            if (service.GetType() == serviceType)
                return service;
        return serviceType.IsInstanceOfType(view) ? view : null;
    }
}
